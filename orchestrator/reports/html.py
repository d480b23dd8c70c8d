"""HTML: one file that holds everything it shows, charts and the result itself included, and asks for nothing.

The page's own policy forbids every request, and every script but the two that it came with: their hashes
are in it, so that not even a name that slipped through unescaped could run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
import vl_convert
from markupsafe import Markup

from orchestrator import results
from orchestrator.model.findings import Findings
from orchestrator.model.runs import Run
from orchestrator.reports import page
from orchestrator.reports.charts import CHARTS, theme


def render(run: Run, findings: Findings) -> str:
    """The report as one HTML page."""
    charts = {name: draw(run, findings) for name, draw in CHARTS.items()}
    specs = {each.name: each.spec for drawings in charts.values() for each in drawings}
    scripts = (_library(), _template_text("report.js"))
    return (
        _environment()
        .get_template("report.html")
        .render(
            **page.content(run, findings),
            charts=charts,
            specs=_data(specs),
            result=_data(results.to_json(run, findings)),
            result_name=results.file_name(run),
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own, see _library
            policy=_policy(scripts),
            style=Markup(_template_text("report.css")),  # noqa: S704 - our own
            light=theme.LIGHT,
            dark=theme.DARK,
        )
    )


@cache
def _library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, which leaves `vegaEmbed` behind; ends no element early."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", theme.VEGA_LITE)
    return _normal(bundle).replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


_TEMPLATES: Final = Path(__file__).parent / "templates"


def _template_text(name: str) -> str:
    return _normal((_TEMPLATES / name).read_text(encoding="utf-8"))


def _normal(text: str) -> str:
    """The text as a browser reads it before it hashes it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _data(value: Mapping[str, Any]) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _policy(scripts: tuple[str, ...]) -> str:
    """The Content-Security-Policy: these scripts, styles and pictures within the page, and nothing else."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    allowed = f"script-src {hashes}; style-src 'unsafe-inline'; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
