"""The terminal: the answer, within a screen; on request after the table of every stage and what weakens its figures."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import IO, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.function import FunctionFindings
from orchestrator.model.findings import Estimate, StageAnswer, Verdict, VerdictWord
from orchestrator.model.runs import CellResult, Run
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
from orchestrator.phrases.load import load_sentences
from orchestrator.phrases.numbers import NONE, count, level, number, ratio_interval, seconds, spread, times
from orchestrator.phrases.recommendations import answers, changes
from orchestrator.phrases.run import (
    INCOMPLETE,
    FailureLine,
    conditions_sentence,
    events_differ,
    failure_lines,
    machines,
    noise_sentence,
    table_legend,
    warning_count,
    workload,
)
from orchestrator.phrases.verdicts import short_reason
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.load import load_report

VERDICT_COLOURS: Final[dict[VerdictWord, str]] = {
    "helps": "green",
    "hurts": "red",
    "ties": "yellow",
    "inconclusive": "magenta",
    "invalid": "bold red",
}
PLAIN_COLUMNS: Final = 80
MIN_WIDTH: Final = 80  # columns that a table needs; a narrower terminal breaks its lines
WIDE_COLUMNS: Final = 110  # from here on, intervals are written out
DRAWN_COLUMNS: Final = 136  # from here on, speedups are also drawn
MIN_AXIS: Final = 20  # characters
MAX_AXIS: Final = 60
MAX_PROBLEMS: Final = 20  # in the table; the result file has all of them
SHOWN_PROBLEMS: Final = 3  # beside the answer


def render(run: Run, findings: Findings, table: bool = False) -> str:
    """Return the report as plain text of 80 columns."""
    return plain(report(run, findings, PLAIN_COLUMNS, table))


def plain(content: RenderableType) -> str:
    """Return what a console of 80 columns shows, without colour and without spaces at the ends of lines."""
    text = io.StringIO()
    screen(text, PLAIN_COLUMNS, colour=False).print(content)
    return "\n".join(line.rstrip() for line in text.getvalue().split("\n"))


def screen(file: IO[str] | None = None, width: int | None = None, colour: bool = True) -> Console:
    """Return a console for `file`, or standard output: `width` columns wide, or as the terminal."""
    console = Console(
        file=file, width=width, no_color=not colour or None, highlight=False, markup=False, emoji=False
    )
    if width is None:
        console.width = max(console.width, MIN_WIDTH)
    return console


def report(run: Run, findings: Findings, width: int, table: bool = False) -> RenderableType:
    """Return the report for a console of `width` columns: the answer, and with `table` the rest before it.

    A run that has nothing to compare has figures alone, so they are shown.
    """
    table = table or not (findings.answer.stages or run.plan.axis)
    return Group(*(_rest(run, findings, width) if table else ()), *_answer(run, findings, width, table))


def _answer(run: Run, findings: Findings, width: int, table: bool) -> list[RenderableType]:
    """Return the answer to the command's question, what it costs, and how sure it is."""
    stages, lines = findings.answer.stages, failure_lines(run)
    parts: list[RenderableType] = [] if table else [Text(workload(run), style="dim")]
    parts += [] if run.complete else [Text(f"INCOMPLETE: {INCOMPLETE}", style="yellow")]
    parts.append(Text(headline(findings).text, style="bold"))
    if run.plan.axis == "rate":
        parts += [*load_report(findings, width >= WIDE_COLUMNS), *_conclusions(load_sentences(findings))]
    elif run.plan.axis is not None:
        parts += _conclusions(answers(findings))
    elif stages:
        parts += [Text(), Text(here(run, findings.answer)), *_stages(run, stages)]
        parts += [Text(there)] if (there := elsewhere_sentence(findings.answer)) else []
    parts += _function(findings.function) if findings.function and run.plan.axis is None else []
    parts += [Text()]
    parts += [Text(added)] if (added := added_sentence(findings.answer.added)) and stages else []
    parts += [Text(noise_sentence(findings))] if findings.noise_floor else []
    if not table:
        parts += _problems(lines, SHOWN_PROBLEMS)
        parts += [Text(warning_count(findings), style="yellow")] if findings.warnings else []
    return parts


def _function(found: FunctionFindings) -> list[RenderableType]:
    """Return the time for all inputs by each row, and what the function was seen to do."""
    rows = [row_texts(each) for each in found.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"  {name.ljust(widths[0])}  {slots.rjust(widths[1])}  {time.rjust(widths[2])}  {speedup}".rstrip()
        for name, slots, time, speedup in rows
    ]
    return [Text(), Text(rows_heading(found)), *map(Text, lines), Text(trait_sentence(found))]


def _stages(run: Run, stages: Sequence[StageAnswer]) -> list[RenderableType]:
    """Return a line for each stage with its reason below, in columns that all of them share."""
    rows = [("", "use", "", "Celery")]
    for each in stages:
        speedup = "" if each.fastest_speedup == Estimate(1.0) else faster(each.fastest_speedup, True)
        celery = faster(each.celery_speedup, True) or NONE
        rows.append((each.stage, choice_of_kernel(each.fastest, run), speedup, celery))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    parts: list[RenderableType] = [Text(lines[0], style="dim")]
    for each, line in zip(stages, lines[1:], strict=True):
        word = Text(each.verdict.verdict, style=VERDICT_COLOURS[each.verdict.verdict])
        than = versus_fastest(each)
        parts += [
            Text(line, style="bold"),
            Padding(word + Text(f"{than and f', {than}'}: {because(each)}."), (0, 0, 0, 2)),
        ]
    return parts


def _rest(run: Run, findings: Findings, width: int) -> list[RenderableType]:
    parts: list[RenderableType] = [Text("\n".join((workload(run), *machines(run))), style="dim")]
    for stage in run.stages:
        for work in run.works(stage):
            parts += [Text(), _table(run, findings, stage, work, width)]
    parts += [Text(), Text("\n".join(table_legend(run, findings)), style="dim")]
    problems = _problems(failure_lines(run), MAX_PROBLEMS)
    texts = map(warning_text, findings.warnings)
    warnings = [Text(f"warning: {each.message}; {each.remedy}", style="yellow") for each in texts]
    parts += [*((Text(), *problems) if problems else ()), *((Text(), *warnings) if warnings else ())]
    parts += [Text(), Text(said)] if (said := conditions_sentence(findings)) else []
    parts += _conclusions(changes(findings))
    return [*parts, *_verdicts(findings.distinct_verdicts), Text()]


def _table(run: Run, findings: Findings, stage: str, work: str, width: int) -> Table:
    """Return the cells of a stage; the columns are the same for every stage, so that they align."""
    wide = width >= WIDE_COLUMNS
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(stage, no_wrap=True, min_width=9)
    table.add_column(work, no_wrap=wide, min_width=25 if wide else 22)
    table.add_column("slots" if wide else "", justify="right", no_wrap=True, min_width=2)
    # A figure and its uncertainty are two columns under one heading.
    for name, least in (("makespan", 8), ("per s", 5), ("vs serial", 6), ("vs in-process", 6)):
        table.add_column(
            name if wide else name.removeprefix("vs ").replace("-", "-\n"), justify="right", min_width=least
        )
        if name != "per s":
            table.add_column("", no_wrap=True, min_width=12 if wide and " " in name else 4)
    results = run.of_work(stage, work)
    speedups = [findings.versus_serial[each.cell] for each in results if each.cell in findings.versus_serial]
    axis = None
    if width >= DRAWN_COLUMNS:
        axis = speedup_axis(speedups, min(MAX_AXIS, width - DRAWN_COLUMNS + MIN_AXIS))
        table.add_column("vs serial, drawn", no_wrap=True, min_width=axis.width)
    kernel, events = None, events_differ(run)
    for result in results:
        cell = result.cell
        first, kernel = cell.kernel if cell.kernel != kernel else "", cell.kernel
        name = cell_name(cell if events else replace(cell, events=None))
        drawn = [axis.drawn(findings.versus_serial.get(cell))] if axis else []
        table.add_row(
            first,
            name,
            *_row(result, findings, wide),
            *drawn,
            style="bold" if cell in findings.fastest else None,
        )
    return table


def _row(result: CellResult, findings: Findings, wide: bool) -> list[str]:
    cell = result.cell
    makespan = findings.makespans.get(cell)
    if makespan is None:
        return [str(cell.slots), NONE, "", NONE, NONE, "", NONE, ""]
    done = findings.throughputs.get(cell)
    row = [str(cell.slots), seconds(makespan.point), spread(makespan)]
    row.append(number(done.point) if done else NONE)
    for ratio in (findings.versus_serial.get(cell), findings.versus_best.get(cell)):
        row += [times(ratio), ratio_interval(ratio) if wide else spread(ratio)]
    return row


def _problems(lines: Sequence[FailureLine], most: int) -> list[RenderableType]:
    """Return what went wrong: at most so many failures of tasks, and every row that is invalid."""
    failed = [line for line in lines if line.kind == "failed"]
    invalid = [line for line in lines if line.kind == "invalid"]
    shown = [Text(f"failed: {line.message} ({line.where})", style="red") for line in failed[:most]]
    if more := failed[most:]:
        shown.append(
            Text(f"failed: {count(len(more), 'more error')}, which the result file has", style="red")
        )
    shown += [Text(f"invalid: {line.where}: {line.message}", style="bold red") for line in invalid[:most]]
    return [*shown]


def _conclusions(sentences: Sequence[str]) -> list[RenderableType]:
    """Return sentences that begin with `subject: `, under one heading per subject."""
    parts: list[RenderableType] = [Text()] if sentences else []
    subjects = [sentence.partition(": ")[0] for sentence in sentences]
    for subject in dict.fromkeys(subjects):
        parts.append(Text(f"{subject}:", style="bold"))
        for sentence, about in zip(sentences, subjects, strict=True):
            if about == subject:
                parts.append(Padding(sentence.removeprefix(f"{subject}: "), (0, 0, 0, 2)))
    return parts


def _verdicts(verdicts: Sequence[Verdict]) -> list[RenderableType]:
    if not verdicts:
        return []
    shown = level(*(each.ratio for each in verdicts))
    heading = f"Verdicts on Celery's best cell of each stage{f' ({shown} intervals)' if shown else ''}"
    parts: list[RenderableType] = [Text(), Text(heading, style="bold")]
    for subject in dict.fromkeys(each.subject for each in verdicts):
        theirs = [each for each in verdicts if each.subject == subject]
        celery = next((cell_name(each.celery, "prose") for each in theirs if each.celery is not None), "")
        lines = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
        lines.add_column(min_width=1)
        lines.add_column(no_wrap=True, min_width=5)
        lines.add_column()
        for word, text in dict.fromkeys((each.verdict, short_reason(each)) for each in theirs):
            lines.add_row("", Text(word, style=VERDICT_COLOURS[word]), text)
        parts += [Text.assemble((subject, "bold"), f": {celery}" if celery else ""), lines]
    return parts


@dataclass(frozen=True, slots=True)
class SpeedupAxis:
    """A logarithmic axis in characters, from `low` to `high`: `      ├─●──┤  ` with a bar at 1."""

    low: float
    high: float
    width: int

    def drawn(self, speedup: Estimate | None) -> str:
        """Return the interval as a line, the point as a dot and 1 as a bar."""
        characters = [" "] * self.width
        characters[self._index(1.0)] = "│"
        if speedup is not None:
            first, last = speedup.low or speedup.point, speedup.high or speedup.point
            for index in range(self._index(first), self._index(last) + 1):
                characters[index] = "┼" if characters[index] == "│" else "─"
            characters[self._index(speedup.point)] = "●"
        return "".join(characters)

    def _index(self, value: float) -> int:
        share = log(value / self.low) / log(self.high / self.low)
        return max(0, min(self.width - 1, round(share * (self.width - 1))))


def speedup_axis(speedups: Iterable[Estimate], width: int) -> SpeedupAxis:
    """Return an axis that spans all speedups and 1."""
    ends = [1.0, *(end for each in speedups for end in (each.low, each.high, each.point) if end)]
    return SpeedupAxis(min(ends) / 1.02, max(ends) * 1.02, width)
