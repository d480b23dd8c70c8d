"""What the HTML page says, as plain data for its template: every text and every figure, no markup."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.analysis.stats.intervals import throughput
from orchestrator.model.findings import Findings, Verdict
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases import typeset
from orchestrator.phrases.conclusions import changes
from orchestrator.phrases.headline import headline
from orchestrator.phrases.numbers import digits, latencies, rate, sizes
from orchestrator.reports.charts.rows import full_name, short_name
from orchestrator.reports.failures import failure_lines
from orchestrator.reports.highlights import fastest

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
    sound: bool
    measured: bool
    fastest: bool


def content(run: Run, findings: Findings) -> dict[str, Any]:
    """Everything that the template names but for charts and scripts."""
    stages = dict.fromkeys(each.stage for each in findings.verdicts)
    return {
        "run": run,
        "findings": findings,
        "headline": headline(run, findings),
        "cards": [
            Card(stage, tuple(each for each in findings.verdicts if each.stage == stage)) for stage in stages
        ],
        "signs": SIGNS,
        "figure": speed,
        "noise_floor": noise_floor(findings),
        "conclusions": changes(run),
        "tables": {
            f"{stage} {work}".strip(): lines(run.of_work(stage, work), findings)
            for stage in run.stages
            for work in run.works(stage)
        },
        "faults": failure_lines(run),
        "name_of": lambda cell: f"{cell.stage}, {full_name(cell)}",
        "facts": facts(run),
        "environment": environment(run),
        "command": command(run),
        "level": typeset.level,
        "span": typeset.span,
    }


def speed(verdict: Verdict) -> str:
    """A verdict's figure: `1.84× as fast`, `2.10× as long`; empty where there is none."""
    if verdict.ratio is None:
        return ""
    faster = verdict.ratio.point < 1
    return f"{typeset.ratio(verdict.ratio.inverse if faster else verdict.ratio)} as {'fast' if faster else 'long'}"


def noise_floor(findings: Findings) -> str:
    """The noise floor in one sentence."""
    floor = findings.noise_floor
    if floor is None:
        return "No cell was measured twice, so this run does not tell its noise floor."
    within = f" ({typeset.span(floor)}, {typeset.level(floor)} interval)" if typeset.span(floor) else ""
    return (
        f"Noise floor: the same cell, measured twice, differs from itself by {typeset.ratio(floor)}{within}."
    )


def lines(results: Sequence[CellResult], findings: Findings) -> list[Line]:
    """The table of cells that do the same work."""
    best = fastest(findings, results)
    return [_line(result, findings, result.cell in best) for result in results]


def _line(result: CellResult, findings: Findings, fastest: bool) -> Line:
    cell = result.cell
    makespan = findings.makespans.get(cell)
    serial, best = findings.versus_serial.get(cell), findings.versus_best.get(cell)
    done = throughput(result)
    return Line(
        cell=cell,
        name=short_name(cell),
        makespan=typeset.time(makespan.point if makespan else None),
        makespan_span=typeset.time_span(makespan),
        throughput=digits(done.point) if done else typeset.NONE,
        versus_serial=typeset.ratio(serial),
        versus_serial_span=typeset.span(serial),
        versus_best=typeset.ratio(best),
        versus_best_span=typeset.span(best),
        startup=typeset.time(result.startup_s),
        verified=result.verified,
        sound=result.sound,
        measured=bool(result.taken),
        fastest=fastest,
    )


def facts(run: Run) -> list[tuple[str, str]]:
    """What was measured, in short."""
    plan = run.plan
    pictures = (
        f"{plan.images} of {sizes(run).replace('x', typeset.TIMES)}"
        if plan.source == "origin"
        else str(plan.images)
    )
    origin = f"{latencies(run)} latency"
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
        ("memory", typeset.size(where.memory_bytes)),
        ("platform", where.platform),
        ("Python", f"{where.python}{'' if where.gil else ', without the GIL'}"),
    ]
    if where.broker is not None:
        whose = "embedded" if where.broker.embedded else "external"
        rows.append(("broker", f"{where.broker.name} {where.broker.version}, {whose}"))
    for worker in where.workers:
        clock = "" if worker.clock_bound_s is None else f", clock within {typeset.time(worker.clock_bound_s)}"
        places = f"{worker.slots} slot{'' if worker.slots == 1 else 's'}"
        events = ", task events on" if worker.events else ""
        rows.append(
            (
                "worker",
                f"{worker.name}: {places}, {worker.usable_cpus:g} processors, Python {worker.python}{clock}{events}",
            )
        )
    if ahead is not None:
        rows.append(("timer resolution", typeset.time(ahead.timer_resolution_s)))
        if ahead.broker_rtt_s is not None:
            rows.append(("broker round trip", typeset.time(ahead.broker_rtt_s)))
            rows.append(("empty task, end to end", typeset.time(ahead.noop_task_s)))
            rows.append(("payload into the store", rate(ahead.payload_put_bytes_per_s)))
            rows.append(("payload out of the store", rate(ahead.payload_get_bytes_per_s)))
    rows.append(("packages", ", ".join(f"{name} {version}" for name, version in where.packages.items())))
    return rows


def command(run: Run) -> str:
    """The command that makes it again; a password in a URL is left out."""
    arguments = run.plan.arguments or (run.command,)
    return re.sub(r"(://[^/@\s:]*):[^/@\s]*@", r"\1:PASSWORD@", shlex.join(["orchestrator", *arguments]))
