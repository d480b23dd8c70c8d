"""The reports of `compare`: a new format is one function and one line in `COMPARISON_REPORTS`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.analysis.stats.intervals import makespan
from orchestrator.analysis.verdicts.regressions import Change, Comparison
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases import comparison as words
from orchestrator.phrases.numbers import level, seconds
from orchestrator.phrases.warnings import warning_text
from orchestrator.reports.escaping import in_markdown
from orchestrator.reports.terminal import PLAIN_COLUMNS, plain

COLOURS: Final = {
    "regression": "bold red",
    "invalid": "bold red",
    "improvement": "green",
    "inconclusive": "magenta",
    "same": "dim",
}
WIDE_COLUMNS: Final = 110  # from here on, makespans are shown as well
SCHEMA: Final = 1  # of the JSON document


def render_terminal(comparison: Comparison, old: Run, new: Run) -> str:
    """Return the report as plain text of 80 columns."""
    return plain(report(comparison, old, new, PLAIN_COLUMNS))


def report(comparison: Comparison, old: Run, new: Run, width: int) -> RenderableType:
    """Return the report for a console of `width` columns: what changed stands last, where it stays in view."""
    parts: list[RenderableType] = [*_caution(comparison, old, new), _heading(comparison, old, new)]
    for stage in dict.fromkeys(each.cell.stage for each in comparison.changes):
        parts += [Text(), _table(comparison, old, new, stage, wide=width >= WIDE_COLUMNS)]
    shown = level(*(each.ratio for each in comparison.changes))
    meaning = f"{words.MEANING} Intervals: {shown}." if shown else words.MEANING
    parts += [Text(), Text(meaning, style="dim")]
    only = list(words.only_in_one(comparison))
    if only:
        parts += [Text(), *(Text(words.marked(comparison, line), style="yellow") for line in only)]
    disturbed = [Text(f"warning: {line}", style="yellow") for line in words.disturbed(comparison, old, new)]
    parts += [Text(), *disturbed] if disturbed else []
    return Group(*parts, Text(), *_changed(comparison), _summary(comparison))


def _heading(comparison: Comparison, old: Run, new: Run) -> Text:
    lines = [words.of_run("old", old), words.of_run("new", new), words.threshold(comparison)]
    lines = [words.marked(comparison, line) for line in lines]
    return Text("\n".join(lines + words.across(comparison)), style="dim")


def _table(comparison: Comparison, old: Run, new: Run, stage: str, wide: bool) -> Table:
    """Return the cells of a stage; the columns are the same for every stage, so that they align."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(stage, no_wrap=True, min_width=9)
    table.add_column("", no_wrap=True, min_width=20)
    table.add_column("slots" if wide else "", justify="right", no_wrap=True, min_width=2)
    if wide:
        table.add_column("old", justify="right", no_wrap=True, min_width=8)
        table.add_column("new", justify="right", no_wrap=True, min_width=8)
    table.add_column("change", justify="right", no_wrap=True, min_width=7)
    table.add_column("", justify="right", no_wrap=True, min_width=14)
    table.add_column("", no_wrap=True, min_width=12)
    table.add_column("", no_wrap=True)
    olds, news = ({result.cell: result for result in run.cells} for run in (old, new))
    kernel = None
    for each in comparison.changes:
        if each.cell.stage == stage:
            first, kernel = (each.cell.kernel if each.cell.kernel != kernel else ""), each.cell.kernel
            times = [_makespan(olds[each.cell]), _makespan(news[each.cell])] if wide else []
            table.add_row(first, *_row(each, times), words.marked(comparison, "").strip())
    return table


def _row(each: Change, times: list[str]) -> list[str | Text]:
    name = [words.label(each.cell), str(each.cell.slots)]
    figures = [words.change(each.ratio), words.change_interval(each.ratio)]
    return [*name, *times, *figures, Text(each.change, style=COLOURS[each.change])]


def _makespan(result: CellResult) -> str:
    estimate = makespan(result)
    return seconds(None if estimate is None else estimate.point)


def _changed(comparison: Comparison) -> list[RenderableType]:
    changed = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    for justify in ("left", "left", "right", "right", "left"):
        changed.add_column(justify=justify, no_wrap=justify == "right")
    for word in ("improvement", "regression"):
        for each in comparison.changes:
            if each.change == word:
                name = f"{each.cell.stage} {each.cell.kernel} {words.label(each.cell)} on {each.cell.slots}"
                figures = words.change(each.ratio), words.change_interval(each.ratio)
                across = words.marked(comparison, "").strip()
                changed.add_row(Text(word, style=COLOURS[word]), name, *figures, across)
    invalid = [
        Text.assemble(
            (f"{each.cell.stage}: ", "bold"),
            (each.change, COLOURS[each.change]),
            f": {words.reason(each, comparison)}",
        )
        for each in comparison.changes
        if each.change == "invalid"
    ]
    return [*([changed] if changed.rows else []), *invalid]


def _caution(comparison: Comparison, old: Run, new: Run) -> list[RenderableType]:
    together = words.shift(comparison) if words.moved_together(comparison) else None
    sentence = words.same_run(old, new) or together
    if sentence is None:
        return []
    return [
        Text(words.marked(comparison, f"{sentence[0].upper()}{sentence[1:]}"), style="bold yellow"),
        Text(),
    ]


def _summary(comparison: Comparison) -> Text:
    shift = words.median_cell(comparison)
    line = words.summary(comparison) + (f"; {shift}" if shift else "")
    return Text(words.marked(comparison, line), style="bold")


HEAD: Final = "| | stage | kernel | cell | slots | old | new | change | interval |"
RULE: Final = "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
FOLDED: Final = ("inconclusive", "same")


def render_markdown(comparison: Comparison, old: Run, new: Run) -> str:
    """Return the report as Markdown: the outcome, then what changed, and the rest folded away."""
    result = "regression" if comparison.regression else "no regression"
    lines = [words.marked(comparison, f"**Breakeven: {result}** ({words.summary(comparison)})"), ""]
    facts = [words.of_run("old", old), words.of_run("new", new), words.threshold(comparison)]
    shift = words.shift(comparison)
    facts += [shift] if shift else []
    same = words.same_run(old, new)
    facts = [*([same] if same else []), *facts, *words.disturbed(comparison, old, new)]
    lines += [f"- {in_markdown(words.marked(comparison, fact))}" for fact in facts + words.across(comparison)]
    olds, news = ({each.cell: each for each in run.cells} for run in (old, new))
    ordered = sorted(comparison.changes, key=lambda each: words.ORDER.index(each.change))
    rows = {each: _markdown_row(comparison, each, olds[each.cell], news[each.cell]) for each in ordered}
    changed = [row for each, row in rows.items() if each.change not in FOLDED]
    if changed:
        lines += ["", HEAD, RULE, *changed]
    lines += _items(
        [
            f"{each.cell.stage}: {words.reason(each, comparison)}"
            for each in ordered
            if each.change == "invalid"
        ]
    )
    lines += _folded([row for each, row in rows.items() if each.change in FOLDED])
    lines += _items([words.marked(comparison, line) for line in words.only_in_one(comparison)])
    return "\n".join([*lines, "", words.MEANING]) + "\n"


def _markdown_row(comparison: Comparison, each: Change, old: CellResult, new: CellResult) -> str:
    cell = each.cell
    word = words.marked(comparison, each.change)
    cells = [
        f"**{word}**" if each.change in ("regression", "invalid") else word,
        in_markdown(cell.stage),
        in_markdown(cell.kernel),
        in_markdown(words.label(cell)),
        str(cell.slots),
        _makespan(old),
        _makespan(new),
        words.change(each.ratio),
        words.change_interval(each.ratio),
    ]
    return f"| {' | '.join(cells)} |"


def _folded(rows: Sequence[str]) -> list[str]:
    """Return rows that need no action, behind a line to click; GitHub needs the blank line to see the table."""
    if not rows:
        return []
    summary = f"<details><summary>{len(rows)} without a significant change</summary>"
    return ["", summary, "", HEAD, RULE, *rows, "", "</details>"]


def _items(lines: Sequence[str]) -> list[str]:
    return ["", *(f"- {in_markdown(line)}" for line in lines)] if lines else []


def render_json(comparison: Comparison, old: Run, new: Run) -> str:
    """Return the comparison as one JSON document; `ratio` is new over old, a missing value is `null`."""
    return json.dumps(to_json(comparison, old, new), indent=1, allow_nan=False) + "\n"


def to_json(comparison: Comparison, old: Run, new: Run) -> dict[str, Any]:
    """Return the content of the JSON document."""
    olds, news = ({result.cell: result for result in run.cells} for run in (old, new))
    return {
        "schema": SCHEMA,
        "old": comparison.old,
        "new": comparison.new,
        "same_run": old == new,
        "regression": comparison.regression,
        "across": bool(comparison.differences),
        "differences": [words.difference(each) for each in comparison.differences],
        "threshold": comparison.threshold,
        "threshold_source": words.threshold_source(comparison),
        "shift": comparison.shift,
        "changes": [
            _json_change(comparison, each, olds[each.cell], news[each.cell]) for each in comparison.changes
        ],
        "disturbances": {
            which: [asdict(warning_text(each)) for each in found]
            for which, found in comparison.disturbances.items()
        },
        "only_old": [asdict(cell) for cell in comparison.only_old],
        "only_new": [asdict(cell) for cell in comparison.only_new],
    }


def _json_change(comparison: Comparison, each: Change, old: CellResult, new: CellResult) -> dict[str, Any]:
    return {
        **asdict(each.cell),
        "change": each.change,
        "across": bool(comparison.differences),
        "ratio": _estimate(each.ratio),
        "old_makespan_s": _estimate(makespan(old)),
        "new_makespan_s": _estimate(makespan(new)),
        "reason": words.reason(each, comparison),
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else asdict(estimate)


COMPARISON_REPORTS: Final[Mapping[str, Callable[[Comparison, Run, Run], str]]] = {
    "terminal": render_terminal,
    "markdown": render_markdown,
    "json": render_json,
}
