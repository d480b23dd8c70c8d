"""The terminal: a table a stage, then what weakens the figures, and the verdicts last, where they stay in sight."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.analysis.analyse import Findings
from orchestrator.model.findings import Verdict, VerdictWord
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.cells import cell_name, image_sizes
from orchestrator.phrases.conclusions import recommendations
from orchestrator.phrases.numbers import NONE, count, interval, level, number, rate, seconds, spread, times
from orchestrator.phrases.verdicts import short_reason
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.console import screen
from orchestrator.reports.failures import failure_lines
from orchestrator.reports.track import track

SPEEDUPS = "vs serial: of the same kernel; vs best: the best in-process; over 1× is faster."
WAYS: Final[dict[str | None, str]] = {
    "redis": "through Redis",
    "inline": "in the message",
    "files": "through files",
}
STAYS = "stays: inputs and outputs stay in the payload store, as between stages."
AGAIN = "again: the A/A pair, the same cell measured twice."
EVENTS = "events: with task events, which Flower reads; the other celery rows had them off."
COLOURS: Final[dict[VerdictWord, str]] = {
    "helps": "green",
    "hurts": "red",
    "ties": "yellow",
    "inconclusive": "magenta",
    "invalid": "bold red",
}
WIDE = 110
"""From this many columns on, intervals are written out."""
LEAST_TRACK = 20
MOST_TRACK = 60
TRACKED = 136
"""From this many columns on, speedups are drawn, so many characters wide."""


def render(run: Run, findings: Findings) -> str:
    """The report as plain text of 80 columns."""
    text = io.StringIO()
    screen(text, 80, colour=False).print(report(run, findings, 80))
    return "\n".join(line.rstrip() for line in text.getvalue().split("\n"))


def report(run: Run, findings: Findings, width: int) -> RenderableType:
    """The report, for a console of `width` columns."""
    parts: list[RenderableType] = [_heading(run)]
    for stage in run.stages:
        for work in run.works(stage):
            parts += [Text(), _table(run, findings, stage, work, width)]
    parts += [Text(), Text("\n".join(_legend(run, findings)), style="dim")]
    parts += [*_failures(run), *_warnings(findings), *_noise_floor(findings)]
    parts += _conclusions(recommendations(findings))
    parts += _verdicts(findings.verdicts)
    return Group(*parts)


def _heading(run: Run) -> Text:
    plan, cpu, broker = run.plan, run.environment.cpu, run.environment.broker
    images, rounds = count(plan.images, "image"), count(plan.rounds, "round")
    lines = [
        f"{images} of {image_sizes(run)} from {plan.source}, {rounds}"
        if plan.source == "origin"
        else f"{images} from {plan.source}, {rounds}",
        f"{cpu.model or 'unknown processor'}, {cpu.usable} of {cpu.logical} processors, "
        f"Python {run.environment.python}",
    ]
    if broker is not None:
        whose = "embedded" if broker.embedded else "external"
        workers = count(len(run.environment.workers), "worker")
        slots = sum(worker.slots for worker in run.environment.workers)
        lines.append(
            f"{whose} {broker.name} {broker.version}, {workers}, {count(slots, 'slot')}{_events(run)}"
        )
    if run.preflight is not None and run.preflight.broker_rtt_s is not None:
        ahead = run.preflight
        lines.append(
            f"round trip {seconds(ahead.broker_rtt_s)}, empty task {seconds(ahead.noop_task_s)}, payloads "
            f"{rate(ahead.payload_put_bytes_per_s)} in, {rate(ahead.payload_get_bytes_per_s)} out"
        )
    if not run.complete:
        lines.append("INCOMPLETE: the run was ended before all rounds were measured")
    return Text("\n".join(lines), style="dim")


def _events(run: Run) -> str:
    """That the fleet sent task events in every cell, where it did."""
    asked = {result.cell.events for result in run.cells if result.cell.distributed}
    sent = asked == {"on"} or (asked == {None} and any(each.events for each in run.environment.workers))
    return ", task events on" if sent else ""


def _legend(run: Run, findings: Findings) -> list[str]:
    """What the tables' words mean, of those that stand in them."""
    celery = [result.cell for result in run.cells if result.cell.distributed]
    lines = [SPEEDUPS]
    if celery:
        shown = max(celery, key=lambda cell: cell.chunk or 1)
        ways = {cell.transport: f"{cell.transport}: {WAYS.get(cell.transport, '')}" for cell in celery}
        del ways[shown.transport]
        tasks = count(shown.chunk or 1, "task")
        name = f"celery {shown.transport}/{shown.chunk}"
        lines.append(f"{name}: payloads {WAYS.get(shown.transport, '')}, {tasks} a message.")
        lines += [f"{'; '.join(ways.values())}."] if ways else []
    terms = {
        STAYS: any(cell.data == "resident" for cell in celery),
        AGAIN: any(result.cell.replica for result in run.cells),
    }
    lines += [term for term, stands in terms.items() if stands]
    lines += [EVENTS] if _events_differ(run) else []
    asked = level(*findings.makespans.values())
    return [*lines, *([f"± is the {asked} interval."] if asked else [])]


def _events_differ(run: Run) -> bool:
    return {result.cell.events for result in run.cells} >= {"on", "off"}


def _table(run: Run, findings: Findings, stage: str, work: str, width: int) -> Table:
    """A stage's cells; every stage's table has the same columns, so that they can be read down."""
    wide = width >= WIDE
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(stage, no_wrap=True, min_width=9)
    table.add_column(work, no_wrap=wide, min_width=25 if wide else 22)
    table.add_column("slots" if wide else "", justify="right", no_wrap=True, min_width=2)
    # A figure and the uncertainty beside it are two columns under one heading.
    for name, least in (("makespan", 8), ("per s", 5), ("vs serial", 6), ("vs best", 6)):
        table.add_column(name if wide else name.removeprefix("vs "), justify="right", min_width=least)
        if name != "per s":
            table.add_column("", no_wrap=True, min_width=12 if wide and " " in name else 4)
    results = run.of_work(stage, work)
    speedups = [findings.versus_serial[each.cell] for each in results if each.cell in findings.versus_serial]
    axis = track(speedups, min(MOST_TRACK, width - TRACKED + LEAST_TRACK)) if width >= TRACKED else None
    if axis is not None:
        table.add_column("vs serial, drawn", no_wrap=True, min_width=axis.width)
    kernel, events = None, _events_differ(run)
    for result in results:
        first = result.cell.kernel if result.cell.kernel != kernel else ""
        kernel = result.cell.kernel
        row = [
            first,
            cell_name(result.cell if events else replace(result.cell, events=None)),
            *_row(result, findings, wide),
        ]
        if axis is not None:
            row.append(axis.drawn(findings.versus_serial.get(result.cell)))
        table.add_row(*row, style="bold" if result.cell in findings.fastest else None)
    return table


def _row(result: CellResult, findings: Findings, wide: bool) -> list[str]:
    cell = result.cell
    makespan = findings.makespans.get(cell)
    if makespan is None:
        return [str(cell.slots), NONE, "", NONE, NONE, "", NONE, ""]
    done = findings.throughputs.get(result.cell)
    row = [str(cell.slots), seconds(makespan.point), spread(makespan)]
    row.append(number(done.point) if done else NONE)
    for ratio in (findings.versus_serial.get(cell), findings.versus_best.get(cell)):
        row += [times(ratio), interval(ratio) if wide else spread(ratio)]
    return row


def _failures(run: Run) -> list[RenderableType]:
    """What went wrong, each message once, with the cells it befell."""
    found = failure_lines(run)
    failed = [fault for fault in found if fault.kind == "failed"]
    lines: list[RenderableType] = []
    for fault in (*failed[:20], *(fault for fault in found if fault.kind != "failed")):
        cells = f"{fault.cells[0].stage}, {cell_name(fault.cells[0], 'long')}"
        more = f" and {len(fault.cells) - 1} more cells" if len(fault.cells) > 1 else ""
        if fault.kind == "failed":
            lines.append(Text(f"failed: {fault.message} ({cells}{more})", style="red"))
        else:
            lines.append(Text(f"{fault.kind}: {cells}: {fault.message}", style="bold red"))
    return [Text(), *lines] if lines else []


def _warnings(findings: Findings) -> list[RenderableType]:
    if not findings.warnings:
        return []
    texts = map(warning_text, findings.warnings)
    lines = [Text(f"warning: {each.message}; {each.remedy}", style="yellow") for each in texts]
    return [Text(), *lines]


def _conclusions(said: Sequence[str]) -> list[RenderableType]:
    """Sentences that begin with what they are about, under one heading for each of those."""
    parts: list[RenderableType] = [Text()] if said else []
    about = [sentence.partition(": ")[0] for sentence in said]
    for name in dict.fromkeys(about):
        parts.append(Text(f"{name}:", style="bold"))
        mine = (sentence for sentence, subject in zip(said, about, strict=True) if subject == name)
        parts += [Padding(sentence.removeprefix(f"{name}: "), (0, 0, 0, 2)) for sentence in mine]
    return parts


def _verdicts(verdicts: Sequence[Verdict]) -> list[RenderableType]:
    """Return a heading a stage, and a line for each baseline."""
    if not verdicts:
        return []
    shown = level(*(each.ratio for each in verdicts))
    heading = f"Verdicts on Celery's best cell of each stage{f' ({shown} intervals)' if shown else ''}"
    parts: list[RenderableType] = [Text(), Text(heading, style="bold")]
    for stage in dict.fromkeys(each.stage for each in verdicts):
        parts += _verdicts_of_stage(stage, [each for each in verdicts if each.stage == stage])
    return parts


def _verdicts_of_stage(stage: str, verdicts: Sequence[Verdict]) -> list[RenderableType]:
    celery = next((cell_name(each.celery, "prose") for each in verdicts if each.celery is not None), "")
    lines = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    lines.add_column(min_width=1)
    lines.add_column(no_wrap=True, min_width=5)
    lines.add_column()
    # Serial may be the best in-process cell: then both verdicts are the same.
    for word, text in dict.fromkeys((each.verdict, short_reason(each)) for each in verdicts):
        lines.add_row("", Text(word, style=COLOURS[word]), text)
    return [Text.assemble((stage, "bold"), f": {celery}" if celery else ""), lines]


def _noise_floor(findings: Findings) -> list[RenderableType]:
    floor = findings.noise_floor
    if floor is None:
        return []
    within = f" ({interval(floor)})" if interval(floor) else ""
    return [Text(), Text(f"noise floor: the same cell measured twice differs by {times(floor)}{within}")]
