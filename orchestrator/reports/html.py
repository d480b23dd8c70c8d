"""HTML: one file that contains everything it shows, and loads nothing.

The page's own policy forbids every request, and every script except its own two."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import jinja2
import vl_convert
from markupsafe import Markup

from orchestrator import results
from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.function import FunctionFindings
from orchestrator.model.findings import Estimate, StageAnswer, VerdictWord
from orchestrator.model.runs import Cell, CellResult, Run, Sample
from orchestrator.phrases.answer import (
    added_sentence,
    because,
    choice_of_kernel,
    elsewhere_sentence,
    faster,
    here,
    versus_fastest,
)
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.function import row_texts, rows_heading, trait_sentence
from orchestrator.phrases.headline import headline
from orchestrator.phrases.numbers import NONE, interval, number, ratio_interval, seconds, times
from orchestrator.phrases.recommendations import changes
from orchestrator.phrases.run import (
    INCOMPLETE,
    conditions_sentence,
    environment_facts,
    failure_lines,
    noise_sentence,
    plan_facts,
)
from orchestrator.phrases.verdicts import reason
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.charts import draw_kinds
from orchestrator.reports.charts.chart import DARK, LIGHT, VEGA_LITE

TEMPLATES: Final = Path(__file__).parent / "templates"
MOST_TASK_TIMES: Final = 20_000  # tasks under load whose times the page keeps, as part of the result

# So that colour is not the only difference between verdicts.
SIGNS: Final = {"helps": "\u25b2", "hurts": "\u25bc", "ties": "=", "inconclusive": "?", "invalid": "\u2715"}


@dataclass(frozen=True, slots=True)
class Card:
    """The answer for a stage, as text."""

    stage: str
    use: str
    speedup: str
    verdict: VerdictWord
    celery: str
    why: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of the table of a stage, as text."""

    cell: Cell
    name: str
    makespan: str
    makespan_interval: str
    throughput: str
    versus_serial: str
    versus_serial_interval: str
    versus_best: str
    versus_best_interval: str
    startup: str
    verified: bool | None
    correct: bool
    measured: bool
    fastest: bool


def render(run: Run, findings: Findings) -> str:
    """Return the report as one HTML page."""
    charts = draw_kinds(run, findings)
    scripts = (_library(), _template_text("report.js"))
    template = _environment().get_template("report.html")
    answer = findings.answer
    result = results.to_json(run, findings)
    arrivals = sum(len(each.trace.planned_us) for each in _open_loops(run) if each.trace is not None)
    if arrivals > MOST_TASK_TIMES:
        result = {"proof": result["proof"]}
    return template.render(
        run=run,
        incomplete=INCOMPLETE,
        headline=headline(findings),
        stages=[_card(run, each) for each in answer.stages],
        here=here(run, answer),
        function=_function(findings.function) if findings.function and run.plan.axis is None else None,
        elsewhere=elsewhere_sentence(answer) if run.plan.axis else "",  # else it is in the lead
        added=added_sentence(answer.added) if answer.stages else "",
        verdicts=findings.distinct_verdicts,
        signs=SIGNS,
        reason=reason,
        warnings=[warning_text(each) for each in findings.warnings],
        noise_floor=f"{noise_sentence(findings)} {conditions_sentence(findings)}".rstrip(),
        conclusions=changes(findings),
        tables={
            f"{run.subject(stage)} {work}".strip(): table_rows(run.of_work(stage, work), findings)
            for stage in run.stages
            for work in run.works(stage)
        },
        failures=failure_lines(run),
        facts=plan_facts(run),
        environment=environment_facts(run),
        command=_command(run),
        charts=charts,
        specs=_data({chart.name: chart.spec for drawn in charts.values() for chart in drawn}),
        result=_data(result),
        left_out=arrivals if arrivals > MOST_TASK_TIMES else 0,
        result_name=results.file_name(run),
        scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own, see _library
        policy=_policy(scripts),
        style=Markup(_template_text("report.css")),  # noqa: S704 - our own
        light=LIGHT,
        dark=DARK,
    )


def _open_loops(run: Run) -> tuple[Sample, ...]:
    return tuple(sample for result in run.cells for sample in result.open_loops)


def _function(found: FunctionFindings) -> dict[str, Any]:
    """Return the time for all inputs of a user's function by each row, as text."""
    rows = [row_texts(each) for each in found.rows]
    return {"heading": rows_heading(found), "rows": rows, "trait": trait_sentence(found)}


def _card(run: Run, stage: StageAnswer) -> Card:
    alone = stage.fastest_speedup == Estimate(1.0)
    speedup = "nothing is significantly faster" if alone else faster(stage.fastest_speedup, intervals=True)
    celery = ", ".join(filter(None, (faster(stage.celery_speedup, intervals=True), versus_fastest(stage))))
    why = because(stage)
    return Card(
        stage.subject,
        choice_of_kernel(stage.fastest, run),
        speedup,
        stage.verdict.verdict,
        f"Celery: {celery or NONE}",
        f"{why[:1].upper()}{why[1:]}",
    )


def table_rows(results: Sequence[CellResult], findings: Findings) -> list[TableRow]:
    """Return the table of cells that do the same work."""
    rows = []
    for result in results:
        cell = result.cell
        done = findings.throughputs.get(cell)
        makespan = findings.makespans.get(cell)
        serial, best = findings.versus_serial.get(cell), findings.versus_best.get(cell)
        rows.append(
            TableRow(
                cell=cell,
                name=cell_name(cell),
                makespan=seconds(makespan.point if makespan else None),
                makespan_interval=interval(makespan, seconds),
                throughput=number(done.point) if done else NONE,
                versus_serial=times(serial),
                versus_serial_interval=ratio_interval(serial),
                versus_best=times(best),
                versus_best_interval=ratio_interval(best),
                startup=seconds(result.startup_s),
                verified=result.verified,
                correct=result.correct,
                measured=bool(result.taken),
                fastest=cell in findings.fastest,
            )
        )
    return rows


def _command(run: Run) -> str:
    arguments = run.plan.arguments or (run.command,)
    return re.sub(r"(://[^/@\s:]*):[^/@\s]*@", r"\1:PASSWORD@", shlex.join(["orchestrator", *arguments]))


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script that defines `vegaEmbed` and ends no element early.

    Bundling takes seconds and is the same for each release, so the script is kept in the user's cache folder.
    """
    folder = Path(
        os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "/"), ".cache"), "breakeven"
    )
    kept = folder / f"vega-lite-{VEGA_LITE}-{version('vl-convert-python')}.js"
    with suppress(OSError, UnicodeError):
        return kept.read_text(encoding="utf-8")
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)
    script = _normal(bundle).replace("</script", "<\\/script").replace("<!--", "<\\!--")
    part = kept.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # a folder that cannot be written costs time, and nothing else
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(script, encoding="utf-8")
        part.replace(kept)
    return script


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _template_text(name: str) -> str:
    return _normal((TEMPLATES / name).read_text(encoding="utf-8"))


def _normal(text: str) -> str:
    """Return the text as a browser reads it before it hashes it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _data(value: Mapping[str, Any]) -> Markup:
    """Return JSON for a script element; nothing in it can end the element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _policy(scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy: these scripts, styles and images in the page, and nothing else."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    allowed = f"script-src {hashes}; style-src 'unsafe-inline'; img-src data:"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
