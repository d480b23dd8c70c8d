"""When `--rounds auto` has enough: pure, from the rounds so far.

Stopping when an interval happens to be narrow picks lucky streaks: few rounds that lie close together
give a narrow interval about the wrong place. So the width is looked at on a fixed schedule alone, it must
be narrow enough at two looks in a row, never is a verdict looked at, and the look that stops has taken at
least a third more rounds than the one before it. benchmarks/statistics/coverage.py measures what is left of the bias.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import expm1, log
from typing import Final

from orchestrator.analysis.scaling.sweep import OF_WORK, sweeps
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.analysis.verdicts.verdict import verdicts
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Run

LOOKS: Final = (7, 10, 14, 20, 27, 35, 47, 63, 84, 112)
"""The numbers of rounds after which the widths are looked at; the last ends the run."""


def enough(run: Run, target: float) -> bool:
    """Whether a run may stop: at a look, and with narrow enough intervals at it and at the one before.

    Args:
        run: the rounds so far, numbered from whatever the first is.
        target: the largest relative half width, such as 0.05, of the intervals that verdicts and a sweep's
            points stand on; where there are none, of the makespans.
    """
    rounds = sorted({sample.round for result in run.cells for sample in result.samples})
    if len(rounds) >= LOOKS[-1]:
        return True
    if len(rounds) not in LOOKS[1:]:
        return False
    before = LOOKS[LOOKS.index(len(rounds)) - 1]
    return narrow(run, target) and narrow(_only(run, rounds[:before]), target)


def narrow(run: Run, target: float) -> bool:
    """Whether every interval that the findings stand on is within `target`.

    These are the verdicts' and those at each point of a sweep; without any, every makespan's. A verdict that
    is invalid has no interval, and no more rounds will give it one.
    """
    judged = () if run.plan.axis in OF_WORK else verdicts(run)
    points = [point for sweep in sweeps(run) for point in sweep.found.points]
    if judged or points:
        ratios = [each.ratio for each in judged if each.verdict != "invalid"]
        return all(half_width(each) <= target for each in (*ratios, *(point.ratio for point in points)))
    measured = [result for result in run.cells if result.samples]
    return all(half_width(makespan(result)) <= target for result in measured)


def half_width(estimate: Estimate | None) -> float:
    """How far, relative to its middle, an interval reaches up; infinite where there is none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return float("inf")
    return expm1(log(estimate.high / estimate.low) / 2)


def _only(run: Run, rounds: Collection[int]) -> Run:
    """The run as it was after these rounds."""
    cells = tuple(
        replace(result, samples=tuple(each for each in result.samples if each.round in rounds))
        for result in run.cells
    )
    return replace(run, cells=cells)
