"""HTML: one file that holds everything it shows, charts and the result itself included, and asks for nothing.

The page's own policy forbids every request, and every script but the two that it came with: their hashes
are in it, so that not even a name that slipped through unescaped could run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
import vl_convert
from markupsafe import Markup

from orchestrator import results
from orchestrator.analysis.analyse import Findings
from orchestrator.model.findings import Verdict
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cells import cell_name, image_sizes, origin_latencies
from orchestrator.phrases.conclusions import changes
from orchestrator.phrases.headline import headline
from orchestrator.phrases.numbers import NONE, interval, level, number, rate, seconds, size, times
from orchestrator.phrases.verdicts import reason
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.charts import CHARTS, chart
from orchestrator.reports.failures import failure_lines


def render(run: Run, findings: Findings) -> str:
    """The report as one HTML page."""
    charts = {name: draw(run, findings) for name, draw in CHARTS.items()}
    specs = {each.name: each.spec for drawings in charts.values() for each in drawings}
    scripts = (_library(), _template_text("report.js"))
    return (
        _environment()
        .get_template("report.html")
        .render(
            **content(run, findings),
            charts=charts,
            specs=_data(specs),
            result=_data(results.to_json(run, findings)),
            result_name=results.file_name(run),
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own, see _library
            policy=_policy(scripts),
            style=Markup(_template_text("report.css")),  # noqa: S704 - our own
            light=chart.LIGHT,
            dark=chart.DARK,
        )
    )


@cache
def _library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, which leaves `vegaEmbed` behind; ends no element early."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", chart.VEGA_LITE)
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


SIGNS: Final = {
    "helps": "\u25b2",
    "hurts": "\u25bc",
    "ties": "=",
    "inconclusive": "?",
    "invalid": "\u2715",
}
"""A verdict's sign, so that colour is not all that tells it."""


@dataclass(frozen=True, slots=True)
class Card:
    """A stage's verdicts."""

    stage: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a stage's table."""

    cell: Cell
    name: str
    makespan: str
    makespan_span: str
    throughput: str
    versus_serial: str
    versus_serial_span: str
    versus_best: str
    versus_best_span: str
    startup: str
    verified: bool | None
    correct: bool
    measured: bool
    fastest: bool


def content(run: Run, findings: Findings) -> dict[str, Any]:
    """Everything that the template names but for charts and scripts."""
    stages = dict.fromkeys(each.stage for each in findings.verdicts)
    return {
        "run": run,
        "findings": findings,
        "headline": headline(findings),
        "cards": [
            Card(stage, tuple(each for each in findings.verdicts if each.stage == stage)) for stage in stages
        ],
        "signs": SIGNS,
        "reason": reason,
        "warnings": [warning_text(each) for each in findings.warnings],
        "figure": speed,
        "noise_floor": noise_floor(findings),
        "conclusions": changes(findings),
        "tables": {
            f"{stage} {work}".strip(): lines(run.of_work(stage, work), findings)
            for stage in run.stages
            for work in run.works(stage)
        },
        "faults": failure_lines(run),
        "name_of": lambda cell: f"{cell.stage}, {cell_name(cell, 'long')}",
        "facts": facts(run),
        "environment": environment(run),
        "command": command(run),
        "level": level,
        "span": interval,
    }


def speed(verdict: Verdict) -> str:
    """A verdict's figure: `1.84× as fast`, `2.10× as long`; empty where there is none."""
    if verdict.ratio is None:
        return ""
    faster = verdict.ratio.point < 1
    return f"{times(verdict.ratio.inverse if faster else verdict.ratio)} as {'fast' if faster else 'long'}"


def noise_floor(findings: Findings) -> str:
    """The noise floor in one sentence."""
    floor = findings.noise_floor
    if floor is None:
        return "No cell was measured twice, so this run does not tell its noise floor."
    within = f" ({interval(floor)}, {level(floor)} interval)" if interval(floor) else ""
    return f"Noise floor: the same cell, measured twice, differs from itself by {times(floor)}{within}."


def lines(results: Sequence[CellResult], findings: Findings) -> list[Line]:
    """The table of cells that do the same work."""
    return [_line(result, findings) for result in results]


def _line(result: CellResult, findings: Findings) -> Line:
    cell = result.cell
    makespan = findings.makespans.get(cell)
    serial, best = findings.versus_serial.get(cell), findings.versus_best.get(cell)
    done = findings.throughputs.get(result.cell)
    return Line(
        cell=cell,
        name=cell_name(cell),
        makespan=seconds(makespan.point if makespan else None),
        makespan_span=interval(makespan, seconds),
        throughput=number(done.point) if done else NONE,
        versus_serial=times(serial),
        versus_serial_span=interval(serial),
        versus_best=times(best),
        versus_best_span=interval(best),
        startup=seconds(result.startup_s),
        verified=result.verified,
        correct=result.correct,
        measured=bool(result.taken),
        fastest=cell in findings.fastest,
    )


def facts(run: Run) -> list[tuple[str, str]]:
    """What was measured, in short."""
    plan = run.plan
    pictures = f"{plan.images} of {image_sizes(run)}" if plan.source == "origin" else str(plan.images)
    origin = f"{origin_latencies(run)} latency"
    if plan.bandwidth_mbit is not None:
        origin += f", {plan.bandwidth_mbit:g} Mbit/s"
    measured = max((len(result.samples) for result in run.cells), default=0)
    rounds = str(plan.rounds) if run.complete else f"{measured} of {plan.rounds}"
    return [
        ("images", pictures),
        ("source", f"origin, {origin}" if plan.source == "origin" else plan.source),
        ("slots", slots(run)),
        ("rounds", rounds),
        ("processors", f"{run.environment.cpu.usable} of {run.environment.cpu.logical}"),
    ]


def slots(run: Run) -> str:
    """How many slots, or all numbers of a sweep of them."""
    if run.plan.axis != "slots":
        return str(run.plan.slots)
    return ", ".join(map(str, sorted({cell.slots for cell in run.plan.cells})))


def environment(run: Run) -> list[tuple[str, str]]:
    """Where it was measured, and what the broker and the clock cost."""
    where, ahead = run.environment, run.preflight
    rows = [
        ("processor", f"{where.cpu.model or 'unknown'}, {where.cpu.usable} of {where.cpu.logical} usable"),
        ("memory", size(where.memory_bytes)),
        ("platform", where.platform),
        ("Python", f"{where.python}{'' if where.gil else ', without the GIL'}"),
    ]
    if where.broker is not None:
        whose = "embedded" if where.broker.embedded else "external"
        rows.append(("broker", f"{where.broker.name} {where.broker.version}, {whose}"))
    for worker in where.workers:
        clock = "" if worker.clock_bound_s is None else f", clock within {seconds(worker.clock_bound_s)}"
        places = f"{worker.slots} slot{'' if worker.slots == 1 else 's'}"
        events = ", task events on" if worker.events else ""
        rows.append(
            (
                "worker",
                f"{worker.name}: {places}, {worker.usable_cpus:g} processors, Python {worker.python}{clock}{events}",
            )
        )
    if ahead is not None:
        rows.append(("timer resolution", seconds(ahead.timer_resolution_s)))
        if ahead.broker_rtt_s is not None:
            rows.append(("broker round trip", seconds(ahead.broker_rtt_s)))
            rows.append(("empty task, end to end", seconds(ahead.noop_task_s)))
            rows.append(("payload into the store", rate(ahead.payload_put_bytes_per_s)))
            rows.append(("payload out of the store", rate(ahead.payload_get_bytes_per_s)))
    rows.append(("packages", ", ".join(f"{name} {version}" for name, version in where.packages.items())))
    return rows


def command(run: Run) -> str:
    """The command that makes it again; a password in a URL is left out."""
    arguments = run.plan.arguments or (run.command,)
    return re.sub(r"(://[^/@\s:]*):[^/@\s]*@", r"\1:PASSWORD@", shlex.join(["orchestrator", *arguments]))
