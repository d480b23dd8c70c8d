"""SVG and PNG: the page's charts as files of their own, for READMEs and papers, on white and with no browser."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Mapping
from typing import Any, Final

import vl_convert
from PIL import Image

from orchestrator.model.findings import Findings
from orchestrator.model.runs import Run
from orchestrator.reports.charts import drawings
from orchestrator.reports.charts.chart import LIGHT, VEGA_LITE, Drawing, resolved

WIDTH: Final = 680
LINE: Final = 130
"""Characters in a line of a caption."""
PNG_SCALE: Final = 2
FONT: Final = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def svg(run: Run, findings: Findings) -> Mapping[str, bytes]:
    """Every chart as an SVG file: its name and its content."""
    return {f"{each.name}.svg": _svg(each).encode() for each in drawings(run, findings)}


def png(run: Run, findings: Findings) -> Mapping[str, bytes]:
    """Every chart as a PNG file of twice the density: its name and its content."""
    return {f"{each.name}.png": _png(each) for each in drawings(run, findings)}


def _svg(drawing: Drawing) -> str:
    text: str = vl_convert.vegalite_to_svg(_specification(drawing), VEGA_LITE)
    return text


def _png(drawing: Drawing) -> bytes:
    """The chart's pixels, packed again: vl-convert's own file is three times as large."""
    drawn = vl_convert.vegalite_to_png(_specification(drawing), VEGA_LITE, scale=PNG_SCALE)
    file = io.BytesIO()
    with Image.open(io.BytesIO(drawn)) as picture:
        picture.convert("RGB").save(file, "PNG", optimize=True, dpi=(PNG_SCALE * 72, PNG_SCALE * 72))
    return file.getvalue()


def _specification(drawing: Drawing) -> str:
    """The chart with its title and caption, as it stands alone: white, and with the colours themselves."""
    spec: dict[str, Any] = resolved(drawing.spec, LIGHT)
    title = {
        "text": drawing.title,
        "subtitle": textwrap.wrap(f"{drawing.legend} {drawing.caption}".strip(), LINE),
        "anchor": "start",
        "frame": "bounds",
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
