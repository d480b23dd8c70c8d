"""The reports of `gate`: a new format is one function and one line in `GATE_REPORTS`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.analysis.stats.intervals import makespan
from orchestrator.analysis.verdicts.gate import Gate
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases import gate as words
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.comparison import change, change_interval, of_run
from orchestrator.phrases.numbers import percent, seconds
from orchestrator.reports.comparison import COLOURS
from orchestrator.reports.escaping import in_markdown
from orchestrator.reports.terminal import plain

MEANING: Final = (
    "The change is that of the time of a batch from base to head: +10 % takes 10 % longer. Both were measured in turn, "
    "sample by sample."
)


def render_terminal(gate: Gate, base: Run, head: Run) -> str:
    """Return the report as plain text of 80 columns."""
    return plain(report(gate, base, head))


def report(gate: Gate, base: Run, head: Run) -> RenderableType:
    """Return the report for a console; the outcome stands last, where it stays in view."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("")
    for name in ("slots", "base", "head", "change", ""):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in gate.rows:
        table.add_row(
            cell_name(row.cell),
            str(row.cell.slots),
            *_makespans(row.cell, base, head),
            change(row.ratio),
            change_interval(row.ratio),
            Text(row.change, style=COLOURS[row.change]),
        )
    facts = Text("\n".join(_facts(gate, base, head)), style="dim")
    outcome = words.headline(gate, function_of(head))
    return Group(facts, Text(), table, Text(), Text(outcome, style="bold"))


def render_markdown(gate: Gate, base: Run, head: Run) -> str:
    """Return the report as Markdown, for a pull request."""
    lines = [f"**Breakeven: {in_markdown(words.headline(gate, function_of(head)))}**", ""]
    lines += [
        "| | slots | base | head | change | interval | |",
        "| --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for row in gate.rows:
        figures = (*_makespans(row.cell, base, head), change(row.ratio), change_interval(row.ratio))
        cells = (in_markdown(cell_name(row.cell)), str(row.cell.slots), *figures, row.change)
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {in_markdown(fact)}" for fact in _facts(gate, base, head)), "", MEANING]
    return "\n".join(lines) + "\n"


def render_json(gate: Gate, base: Run, head: Run) -> str:
    """Return the outcome as one JSON document; a missing value is `null`."""
    document = {
        "schema": 1,
        "base": base.id,
        "head": head.id,
        "function": function_of(head),
        "regression": gate.regression,
        "headline": words.headline(gate, function_of(head)),
        "margin": gate.margin,
        "smallest": gate.smallest,
        "rows": [
            {
                **asdict(row.cell),
                "change": row.change,
                "rounds": row.rounds,
                "ratio": row.ratio and asdict(row.ratio),
                "p_value": row.p_value,
                "reason": words.reason(row),
            }
            for row in gate.rows
        ],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def function_of(run: Run) -> str:
    """Return the function that a gate measured."""
    return run.cells[0].cell.kernel if run.cells else "the function"


def _facts(gate: Gate, base: Run, head: Run) -> list[str]:
    counts = f"changes count from {percent(gate.margin)} on{words.limits(gate)}"
    return [of_run("base", base), of_run("head", head), counts]


def _makespans(cell: Cell, base: Run, head: Run) -> tuple[str, str]:
    found = [next((makespan(each) for each in run.cells if each.cell == cell), None) for run in (base, head)]
    old, new = (seconds(None if each is None else each.point) for each in found)
    return old, new


GATE_REPORTS: Final[Mapping[str, Callable[[Gate, Run, Run], str]]] = {
    "terminal": render_terminal,
    "markdown": render_markdown,
    "json": render_json,
}
