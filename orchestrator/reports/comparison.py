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
from orchestrator.analysis.verdicts.latency_changes import LatencyChange
from orchestrator.analysis.verdicts.regressions import Change, Comparison
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases import comparison as words
from orchestrator.phrases.load import quantile_name
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
SCHEMA: Final = 2  # of the JSON document


def render_terminal(comparison: Comparison, old: Run, new: Run) -> str:
    """Return the report as plain text of 80 columns."""
    return plain(report(comparison, old, new, PLAIN_COLUMNS))


def report(comparison: Comparison, old: Run, new: Run, width: int) -> RenderableType:
    """Return the report for a console of `width` columns: what changed stands last, where it stays in view."""
    facts = _facts(comparison, old, new)
    heading = [*(words.marked(comparison, fact) for fact in facts), *words.across(comparison)]
    parts = [*_caution(comparison, old, new), Text("\n".join(heading), style="dim")]
    for stage in dict.fromkeys(each.cell.stage for each in comparison.changes):
        parts += [Text(), _table(comparison, old, new, stage, wide=width >= WIDE_COLUMNS)]
    parts += [Text(), _latency_table(comparison.latencies)] if comparison.latencies else []
    shown = level(*(each.rest for each in comparison.changes), *(each.ratio for each in comparison.latencies))
    meaning = words.meaning(comparison) + (f" Intervals: {shown}." if shown else "")
    parts += [Text(), Text(meaning, style="dim")]
    only = list(words.only_in_one(comparison))
    if only:
        parts += [Text(), *(Text(words.marked(comparison, line), style="yellow") for line in only)]
    disturbed = [Text(f"warning: {line}", style="yellow") for line in words.disturbed(comparison, old, new)]
    parts += [Text(), *disturbed] if disturbed else []
    last = Text(words.marked(comparison, words.summary(comparison)), style="bold")
    return Group(*parts, Text(), *_changed(comparison), last)


def _facts(comparison: Comparison, old: Run, new: Run) -> list[str]:
    shift = words.shift(comparison)
    facts = [words.of_run("old", old), words.of_run("new", new), words.threshold(comparison)]
    return [*facts, shift] if shift else facts


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
    makespans = _makespans(old, new)
    kernel = None
    for each in comparison.changes:
        cell = each.cell
        if cell.stage == stage:
            first, kernel = (cell.kernel if cell.kernel != kernel else ""), cell.kernel
            table.add_row(
                first,
                words.label(cell),
                str(cell.slots),
                *(map(_point, makespans[cell]) if wide else ()),
                words.change(each.rest or each.ratio),
                words.change_interval(each.rest),
                Text(each.change, style=COLOURS[each.change]),
                words.marked(comparison, "").strip(),
            )
    return table


def _makespans(old: Run, new: Run) -> dict[Cell, tuple[Estimate | None, Estimate | None]]:
    """The makespans of each cell that both runs have, old and new."""
    olds, news = ({each.cell: makespan(each) for each in run.cells} for run in (old, new))
    return {cell: (olds[cell], news[cell]) for cell in olds.keys() & news.keys()}


def _point(makespan: Estimate | None) -> str:
    return seconds(None if makespan is None else makespan.point)


def _changed(comparison: Comparison) -> list[RenderableType]:
    changed = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    for justify in ("left", "left", "right", "right", "left"):
        changed.add_column(justify=justify, no_wrap=justify == "right")
    across = words.marked(comparison, "").strip()
    for word in ("improvement", "regression"):
        groups = [group for group in comparison.groups if group.change == word]
        for group in groups:
            figures = _figures(group.rest)
            changed.add_row(Text(word, style=COLOURS[word]), words.group_name(group), *figures, across)
        for each in comparison.changes:
            if each.change == word and not any(group.has(each.cell) for group in groups):
                name = f"{each.cell.stage} {each.cell.kernel} {words.label(each.cell)} on {each.cell.slots}"
                changed.add_row(Text(word, style=COLOURS[word]), name, *_figures(each.rest), across)
    invalid = [
        Text.assemble(
            (f"{each.cell.stage}: ", "bold"),
            (each.change, COLOURS[each.change]),
            f": {words.reason(each, comparison)}",
        )
        for each in comparison.changes
        if each.change == "invalid"
    ]
    invalid += [
        Text.assemble(("invalid", COLOURS["invalid"]), f": {words.marked(comparison, line)}")
        for line in words.invalid_latencies(comparison)
    ]
    return [*([changed] if changed.rows else []), *invalid]


def _figures(rest: Estimate | None) -> tuple[str, str]:
    return words.change(rest), words.change_interval(rest)


def _caution(comparison: Comparison, old: Run, new: Run) -> list[RenderableType]:
    together = words.shift(comparison) if words.moved_together(comparison) else None
    sentence = words.same_run(old, new) or together
    if sentence is None:
        return []
    return [
        Text(words.marked(comparison, f"{sentence[0].upper()}{sentence[1:]}"), style="bold yellow"),
        Text(),
    ]


def _latency_table(changes: Sequence[LatencyChange]) -> Table:
    """Return the quantiles of the latency at each rate, old and new."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("")
    for name in ("", "old", "new", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("", no_wrap=True)
    for each in changes:
        table.add_row(
            f"{each.cell.stage} {words.label(each.cell)}",
            quantile_name(each.quantile),
            _point(each.old),
            _point(each.new),
            words.change(each.ratio),
            words.change_interval(each.ratio),
            Text(each.change, style=COLOURS[each.change]),
        )
    return table


def _latency_rows(comparison: Comparison) -> list[str]:
    """Return the same as lines of Markdown."""
    lines = [LATENCY_HEAD, LATENCY_RULE] if comparison.latencies else []
    for each in comparison.latencies:
        word = words.marked(comparison, each.change)
        cells = [
            f"**{word}**" if each.change in ("regression", "invalid") else word,
            in_markdown(each.cell.stage),
            in_markdown(words.label(each.cell)),
            quantile_name(each.quantile),
            *(
                _point(each.old),
                _point(each.new),
                words.change(each.ratio),
                words.change_interval(each.ratio),
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return ["", *lines] if lines else []


LATENCY_HEAD: Final = "| | stage | cell | quantile | old | new | change | interval |"
LATENCY_RULE: Final = "| --- | --- | --- | --- | ---: | ---: | ---: | --- |"
HEAD: Final = "| | stage | kernel | cell | slots | old | new | change | interval |"
RULE: Final = "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
FOLDED: Final = ("inconclusive", "same")


def render_markdown(comparison: Comparison, old: Run, new: Run) -> str:
    """Return the report as Markdown: the outcome, then what changed, and the rest folded away."""
    result = "regression" if comparison.regression else "no regression"
    lines = [words.marked(comparison, f"**Breakeven: {result}** ({words.summary(comparison)})"), ""]
    same = words.same_run(old, new)
    facts = _facts(comparison, old, new)
    facts = [*([same] if same else []), *facts, *words.disturbed(comparison, old, new)]
    lines += [f"- {in_markdown(words.marked(comparison, fact))}" for fact in facts + words.across(comparison)]
    makespans = _makespans(old, new)
    ordered = sorted(comparison.changes, key=lambda each: words.ORDER.index(each.change))
    rows = {each: _markdown_row(comparison, each, *makespans[each.cell]) for each in ordered}
    lines += _items(
        [f"{each.change}: {words.group_name(each)} {words.of_group(each)}" for each in comparison.groups]
    )
    changed = [row for each, row in rows.items() if each.change not in FOLDED]
    if changed:
        lines += ["", HEAD, RULE, *changed]
    invalid = [each for each in ordered if each.change == "invalid"]
    lines += _items([f"{each.cell.stage}: {words.reason(each, comparison)}" for each in invalid])
    lines += _latency_rows(comparison)
    lines += _items([words.marked(comparison, line) for line in words.invalid_latencies(comparison)])
    folded = [row for each, row in rows.items() if each.change in FOLDED]
    if folded:  # GitHub needs the blank line to see the table
        summary = f"<details><summary>{len(folded)} without a significant change</summary>"
        lines += ["", summary, "", HEAD, RULE, *folded, "", "</details>"]
    lines += _items([words.marked(comparison, line) for line in words.only_in_one(comparison)])
    return "\n".join([*lines, "", words.meaning(comparison)]) + "\n"


def _markdown_row(comparison: Comparison, each: Change, old: Estimate | None, new: Estimate | None) -> str:
    cell = each.cell
    word = words.marked(comparison, each.change)
    cells = [
        f"**{word}**" if each.change in ("regression", "invalid") else word,
        in_markdown(cell.stage),
        in_markdown(cell.kernel),
        in_markdown(words.label(cell)),
        str(cell.slots),
        _point(old),
        _point(new),
        words.change(each.rest or each.ratio),
        words.change_interval(each.rest),
    ]
    return f"| {' | '.join(cells)} |"


def _items(lines: Sequence[str]) -> list[str]:
    return ["", *(f"- {in_markdown(line)}" for line in lines)] if lines else []


def render_json(comparison: Comparison, old: Run, new: Run) -> str:
    """Return the comparison as one JSON document; `ratio` is new over old, a missing value is `null`."""
    return json.dumps(to_json(comparison, old, new), indent=1, allow_nan=False) + "\n"


def to_json(comparison: Comparison, old: Run, new: Run) -> dict[str, Any]:
    """Return the content of the JSON document."""
    makespans, across = _makespans(old, new), bool(comparison.differences)
    return {
        "schema": SCHEMA,
        "old": comparison.old,
        "new": comparison.new,
        "same_run": old == new,
        "regression": comparison.regression,
        "across": across,
        "differences": [words.difference(each) for each in comparison.differences],
        "margin": comparison.margin,
        "smallest": comparison.smallest,
        "smallest_of_kernel": comparison.smallest_of_kernel,
        "shift": comparison.shift and asdict(comparison.shift),
        "groups": [asdict(each) for each in comparison.groups],
        "changes": [
            {
                **asdict(each.cell),
                "change": each.change,
                "across": across,
                "ratio": each.ratio and asdict(each.ratio),
                "rest": each.rest and asdict(each.rest),
                "p_value": each.p_value,
                **{
                    f"{which}_makespan_s": estimate and asdict(estimate)
                    for which, estimate in zip(("old", "new"), makespans[each.cell], strict=True)
                },
                "reason": words.reason(each, comparison),
            }
            for each in comparison.changes
        ],
        "latencies": [asdict(each) for each in comparison.latencies],
        "disturbances": {
            which: [asdict(warning_text(each)) for each in found]
            for which, found in comparison.disturbances.items()
        },
        "only_old": [asdict(cell) for cell in comparison.only_old],
        "only_new": [asdict(cell) for cell in comparison.only_new],
    }


COMPARISON_REPORTS: Final[Mapping[str, Callable[[Comparison, Run, Run], str]]] = {
    "terminal": render_terminal,
    "markdown": render_markdown,
    "json": render_json,
}
