"""When `--rounds auto` has measured enough rounds.

Stopping as soon as an interval is narrow selects lucky streaks: a few rounds that happen to lie close together give a
narrow interval around a wrong value. So widths are checked only on a fixed schedule, they must be narrow enough in two
checks in a row, of which the second has at least a third more rounds, and no verdict is looked at.
benchmarks/statistics/coverage.py measures the bias that remains.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from orchestrator.analysis.scaling.sweep import OF_WORK, sweeps
from orchestrator.analysis.stats.intervals import half_width, makespan
from orchestrator.analysis.verdicts.verdict import verdicts
from orchestrator.model.runs import Run

# Rounds after which widths are checked; the last ends the run.
LOOKS: Final = (7, 10, 14, 20, 27, 35, 47, 63, 84, 112)


def enough(run: Run, target: float) -> bool:
    """Return whether a run may stop: its intervals were narrow enough at this check and at the one before.

    `target` is the largest relative half width of an interval, such as 0.05.
    """
    rounds = sorted({sample.round for result in run.cells for sample in result.samples})
    if len(rounds) >= LOOKS[-1]:
        return True
    if len(rounds) not in LOOKS[1:]:
        return False
    before = LOOKS[LOOKS.index(len(rounds)) - 1]
    return narrow(run, target) and narrow(_only(run, rounds[:before]), target)


def narrow(run: Run, target: float) -> bool:
    """Return whether every interval behind the findings is within `target`.

    These are the intervals of the verdicts and of each point of a sweep, or of all makespans if there are neither.
    An invalid verdict has none, and more rounds would not give it one.
    """
    found = () if run.plan.axis in OF_WORK else verdicts(run)
    points = [point for sweep in sweeps(run) for point in sweep.found.points]
    if found or points:
        ratios = [each.ratio for each in found if each.verdict != "invalid"]
        return all(half_width(each) <= target for each in (*ratios, *(point.ratio for point in points)))
    measured = [result for result in run.cells if result.samples]
    return all(half_width(makespan(result)) <= target for result in measured)


def _only(run: Run, rounds: Collection[int]) -> Run:
    cells = tuple(
        replace(result, samples=tuple(each for each in result.samples if each.round in rounds))
        for result in run.cells
    )
    return replace(run, cells=cells)
