"""SVG and PNG: the page's charts as files of their own, for READMEs and papers, on white and with no browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import vl_convert

from orchestrator.model import Findings, Run
from orchestrator.reports.charts import drawings
from orchestrator.reports.charts.drawing import Drawing
from orchestrator.reports.charts.look import LIGHT, VEGA_LITE, resolved

WIDTH: Final = 680
PNG_SCALE: Final = 2
FONT: Final = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def svg(run: Run, findings: Findings) -> Mapping[str, bytes]:
    """Every chart as an SVG file: its name and its content."""
    return {f"{each.name}.svg": _svg(each).encode() for each in drawings(run, findings)}


def png(run: Run, findings: Findings) -> Mapping[str, bytes]:
    """Every chart as a PNG file of twice the density: its name and its content."""
    return {
        f"{each.name}.png": vl_convert.vegalite_to_png(_specification(each), VEGA_LITE, scale=PNG_SCALE)
        for each in drawings(run, findings)
    }


PICTURES: Final[Mapping[str, Callable[[Run, Findings], Mapping[str, bytes]]]] = {"svg": svg, "png": png}
"""Formats that are files of their own: a new one is one function and one line here."""


def _svg(drawing: Drawing) -> str:
    text: str = vl_convert.vegalite_to_svg(_specification(drawing), VEGA_LITE)
    return text


def _specification(drawing: Drawing) -> str:
    """The chart with its title and caption, as it stands alone: white, and with the colours themselves."""
    spec: dict[str, Any] = resolved(drawing.spec, LIGHT)
    title = {
        "text": drawing.heading,
        "subtitle": _lines(drawing.caption),
        "anchor": "start",
        "frame": "group",
        "color": LIGHT["ink"],
        "subtitleColor": LIGHT["muted"],
        "fontSize": 15,
        "offset": 10,
    }
    return json.dumps(
        {
            **spec,
            "title": title,
            "width": WIDTH,
            "padding": 16,
            "config": {**spec["config"], "background": LIGHT["paper"], "font": FONT},
        }
    )
