"""SVG and PNG: each chart as a file, on white, for READMEs and papers; made without a browser."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Mapping
from typing import Any, Final

import vl_convert
from PIL import Image

from orchestrator.analysis.analyse import Findings
from orchestrator.model.runs import Run
from orchestrator.reports.charts import draw_all
from orchestrator.reports.charts.chart import LIGHT, VEGA_LITE, Chart, resolved

WIDTH_PX: Final = 680
CAPTION_CHARACTERS: Final = 130  # in a line
PNG_SCALE: Final = 2
FONT: Final = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


def svg(run: Run, findings: Findings) -> Mapping[str, bytes]:
    """Return every chart as an SVG file: its name and content."""
    return {
        f"{each.name}.svg": vl_convert.vegalite_to_svg(_specification(each), VEGA_LITE).encode()
        for each in draw_all(run, findings)
    }


def png(run: Run, findings: Findings) -> Mapping[str, bytes]:
    """Return every chart as a PNG file of twice the density: its name and content."""
    return {f"{each.name}.png": _png(each) for each in draw_all(run, findings)}


def _png(chart: Chart) -> bytes:
    # Encoded again, because the file of vl-convert is three times as large.
    # Not with "optimize": it takes three times as long for 1 %.
    drawn = vl_convert.vegalite_to_png(_specification(chart), VEGA_LITE, scale=PNG_SCALE)
    file = io.BytesIO()
    with Image.open(io.BytesIO(drawn)) as picture:
        picture.convert("RGB").save(file, "PNG", dpi=(PNG_SCALE * 72, PNG_SCALE * 72))
    return file.getvalue()


def _specification(chart: Chart) -> str:
    spec: dict[str, Any] = resolved(chart.spec, LIGHT)
    title = {
        "text": chart.title,
        "subtitle": textwrap.wrap(f"{chart.legend} {chart.caption}".strip(), CAPTION_CHARACTERS),
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
            "width": WIDTH_PX,
            "padding": 16,
            "config": {**spec["config"], "background": LIGHT["paper"], "font": FONT},
        }
    )
