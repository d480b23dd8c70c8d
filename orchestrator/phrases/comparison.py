"""What every report of a comparison says in the same words.

Where the runs are of different machines or versions, `marked` sees to it that a line says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import log, log1p

from orchestrator.analysis.checks.warnings import disturbances
from orchestrator.analysis.verdicts.noise import noise_floor
from orchestrator.analysis.verdicts.regressions import ChangeWord, Comparison
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import NONE, count, interval, number, percent

ORDER: tuple[ChangeWord, ...] = ("invalid", "regression", "improvement", "inconclusive", "same")
"""The findings in the order in which they matter to whoever changed something."""

MOST_NAMED = 6
"""More cells than these are counted rather than named."""

MEANING = (
    "The change is that of the makespan: +10 % takes 10 % longer than before. Inconclusive is neither "
    "surely changed nor surely the same: measure more rounds."
)


def marked(comparison: Comparison, line: str) -> str:
    """The line, saying that it is across machines or versions where it is."""
    return f"{line} (across)" if comparison.differences and "across" not in line else line


def of_run(which: str, run: Run) -> str:
    """Which run it is: `old 0123abcd of 2026-01-02 03:04, 7 rounds`."""
    started = run.started_at[:16].replace("T", " ")
    end = "" if run.complete else ", INCOMPLETE"
    return f"{which} {run.id} of {started}, {count(run.plan.rounds, 'round')}{end}"


def across(comparison: Comparison) -> list[str]:
    """What the machines and versions differ in, a line each."""
    return [f"across: {difference}" for difference in comparison.differences]


def same_run(old: Run, new: Run) -> str | None:
    """That there is but one run, where there is: a comparison with itself tells nothing."""
    return "old and new are the same run, so there is no change to find" if old == new else None


def disturbed(old: Run, new: Run) -> list[str]:
    """What befell either run from outside, a line each: a change may be the machine's."""
    runs = {"run": new} if old == new else {"old run": old, "new run": new}
    return [
        f"the {which} was disturbed: {warning.message}"
        for which, run in runs.items()
        for warning in disturbances(run)
    ]


def threshold(comparison: Comparison, old: Run, new: Run) -> str:
    """From what on a change is large enough, and why from there."""
    large_enough = f"large enough to count from {percent(comparison.threshold)} on"
    return f"{large_enough}: {threshold_source(old, new)}"


def threshold_source(old: Run, new: Run) -> str:
    """What set the threshold: the new run's margin, or an A/A pair that differs from itself by more."""
    sources = {f"the new run's margin is {percent(new.plan.margin)}": log1p(new.plan.margin)}
    for which, run in (("old", old), ("new", new)):
        floor = noise_floor(run)
        if floor is not None:
            text = f"the {which} run's A/A pair, one cell measured twice, shows {number(floor.point)} times"
            sources[text] = abs(log(floor.point))
    return max(sources, key=lambda source: sources[source])


def shift(comparison: Comparison) -> str | None:
    """Whether the cells moved together, which tells of the machine rather than of any cell."""
    line = median_cell(comparison)
    together = moved_together(comparison)
    return f"{line}: all moved together, so see first if the machine changed" if together else line


def median_cell(comparison: Comparison) -> str | None:
    """How much longer the median cell takes; `None` where no cell has a ratio."""
    if comparison.shift is None:
        return None
    return f"the median cell takes {number(comparison.shift)} times as long as before"


def moved_together(comparison: Comparison) -> bool:
    """Whether the median cell changed by what is large enough for one: that is the machine, more likely."""
    shift = comparison.shift
    return shift is not None and abs(log(shift)) > log1p(comparison.threshold)


def summary(comparison: Comparison) -> str:
    """How many cells ended how: `1 regression, 3 same`."""
    words = Counter(each.change for each in comparison.changes)
    return ", ".join(f"{words[word]} {word}" for word in ORDER if words[word])


def only_in_one(comparison: Comparison) -> Iterator[str]:
    """The cells that cannot be compared: a line each, or of many a line a stage."""
    for which, cells in (("old", comparison.only_old), ("new", comparison.only_new)):
        if len(cells) > MOST_NAMED:
            for stage, cells_of_stage in Counter(cell.stage for cell in cells).items():
                yield f"only in the {which} run: {stage}: {count(cells_of_stage, 'cell')}"
        else:
            for cell in cells:
                yield f"only in the {which} run: {cell.stage}: {cell_name(cell, 'prose')} {cell.work}".rstrip()


def label(cell: Cell) -> str:
    """Return the cell's name in a table, with its work where a sweep varies it: `celery redis/4 64x64`."""
    return f"{cell_name(cell)} {cell.work}".strip()


def change(ratio: Estimate | None) -> str:
    """Return how much longer it takes: `+20.1 %`."""
    return NONE if ratio is None else f"{_longer(ratio.point)} %"


def change_interval(ratio: Estimate | None) -> str:
    """Return the interval of the change: `+18.2 to +22.0 %`; empty where there is none."""
    within = interval(ratio, _longer, " to ")
    return within and f"{within} %"


def _longer(ratio: float) -> str:
    percent = 100 * (ratio - 1)
    return f"{percent:+.0f}" if abs(percent) >= 99.95 else f"{round(percent, 1) + 0.0:+.1f}"
