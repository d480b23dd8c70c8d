"""Markdown for a pull request: the outcome, then what changed, then everything else folded away."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.analysis.stats.intervals import makespan
from orchestrator.analysis.verdicts.regressions import Change, Comparison
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases import comparison as words
from orchestrator.phrases.numbers import seconds
from orchestrator.reports.escaping import in_markdown

HEAD = "| | stage | kernel | cell | slots | old | new | change | interval |"
RULE = "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
FOLDED = ("inconclusive", "same")


def render(comparison: Comparison, old: Run, new: Run) -> str:
    """The report as Markdown; of the tables' rows the regressions come first."""
    result = "regression" if comparison.regression else "no regression"
    lines = [words.marked(comparison, f"**Breakeven: {result}** ({words.summary(comparison)})"), ""]
    facts = [words.of_run("old", old), words.of_run("new", new), words.threshold(comparison, old, new)]
    shift = words.shift(comparison)
    facts += [shift] if shift else []
    same = words.same_run(old, new)
    facts = [*([same] if same else []), *facts, *words.disturbed(old, new)]
    lines += [f"- {in_markdown(words.marked(comparison, fact))}" for fact in facts + words.across(comparison)]
    olds, news = ({each.cell: each for each in run.cells} for run in (old, new))
    ordered = sorted(comparison.changes, key=lambda each: words.ORDER.index(each.change))
    rows = {each: _row(comparison, each, olds[each.cell], news[each.cell]) for each in ordered}
    changed = [row for each, row in rows.items() if each.change not in FOLDED]
    if changed:
        lines += ["", HEAD, RULE, *changed]
    lines += _items([f"{each.cell.stage}: {each.reason}" for each in ordered if each.change == "invalid"])
    lines += _folded([row for each, row in rows.items() if each.change in FOLDED])
    lines += _items([words.marked(comparison, line) for line in words.only_in_one(comparison)])
    return "\n".join([*lines, "", words.MEANING]) + "\n"


def _row(comparison: Comparison, each: Change, old: CellResult, new: CellResult) -> str:
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
        words.interval(each.ratio),
    ]
    return f"| {' | '.join(cells)} |"


def _folded(rows: Sequence[str]) -> list[str]:
    """Rows that nobody has to act on, behind a line to click; a blank line lets GitHub see the table."""
    if not rows:
        return []
    summary = f"<details><summary>{len(rows)} without a sure change</summary>"
    return ["", summary, "", HEAD, RULE, *rows, "", "</details>"]


def _items(lines: Sequence[str]) -> list[str]:
    return ["", *(f"- {in_markdown(line)}" for line in lines)] if lines else []


def _makespan(result: CellResult) -> str:
    estimate = makespan(result)
    return seconds(None if estimate is None else estimate.point)
