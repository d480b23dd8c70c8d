"""The best of many cells, selected so that its luck does not count.

The fastest of many measured cells looks faster than it is, because luck helped to select it. So in each round a side
is represented by the cell that was best in the rounds *before* it, whose noise in this round is as likely to be above
as below. Selecting by all other rounds would not lose the first round, but calls up to four times as many equal sides
different as it should (benchmarks/statistics/coverage.py measures both).
Source: Dawid, "Statistical theory: the prequential approach", J. R. Stat. Soc. A 147, 1984.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import TypeAlias

import numpy as np

from orchestrator.analysis.stats.intervals import centre, ratio
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult

Logarithms: TypeAlias = Mapping[int, float]  # round to the logarithm of a makespan


@dataclass(frozen=True, slots=True)
class Selection:
    """The best of some cells."""

    best: CellResult  # by all rounds
    # By the rounds before each, so without the first if there was a choice, and without those that the cell lacks.
    by_round: Mapping[int, CellResult]

    @property
    def makespans_s(self) -> dict[int, float]:
        """Round to the makespan of the cell selected in it."""
        return {round_: result.makespans_s[round_] for round_, result in self.by_round.items()}

    @property
    def compared(self) -> tuple[CellResult, ...]:
        """Every cell that a comparison uses, the best first, each once."""
        results = (self.best, *self.by_round.values())
        return tuple({result.cell: result for result in results}.values())


def select_best(results: Sequence[CellResult]) -> Selection | None:
    """Return the best of some cells, over all rounds and round by round; `None` if none has a sample."""
    measured = [result for result in results if result.samples]
    if not measured:
        return None
    if len(measured) == 1:
        return Selection(measured[0], dict.fromkeys(measured[0].makespans_s, measured[0]))
    times = [_logarithms(result) for result in measured]
    by_round = {}
    for round_ in sorted({each for known in times for each in known}):
        able = [index for index, known in enumerate(times) if min(known) < round_]
        if able:
            earlier = [{r: each for r, each in times[index].items() if r < round_} for index in able]
            picked = able[_lowest(earlier)]
            # A slower cell must not stand in for one that lacks the round: the other side would look faster in it.
            if round_ in times[picked]:
                by_round[round_] = measured[picked]
    return Selection(measured[_lowest(times)], by_round)


def compare_best(ours: Selection, theirs: Selection) -> Estimate | None:
    """Return how many times as long one side's best takes as the other's.

    The point and an interval come from the cells selected in each round. The interval is widened to contain that of
    the two cells that are best over all rounds: the first gains nothing from luck but may suffer from wrong early
    selections, the second suffers from none but gains. If either has no interval there is none.
    """
    of_bests = ratio(ours.best.makespans_s, theirs.best.makespans_s)
    of_picks = ratio(ours.makespans_s, theirs.makespans_s)
    if of_bests is None or of_picks is None:
        return of_bests and Estimate(of_bests.point)
    if of_bests.low is None or of_bests.high is None or of_bests.level is None:
        return Estimate(of_picks.point)
    if of_picks.low is None or of_picks.high is None or of_picks.level is None:
        return Estimate(of_picks.point)
    return Estimate(
        of_picks.point,
        min(of_picks.low, of_bests.low),
        max(of_picks.high, of_bests.high),
        min(of_picks.level, of_bests.level),
    )


def round_levels(results: Sequence[CellResult]) -> dict[int, float]:
    """Return how much slower than usual each round was, as a logarithm: the median over its cells.

    A makespan is compared with its own cell's median, so a cell that lacks a round does not change that round's level.
    """
    return _levels([_logarithms(result) for result in results])


def _lowest(times: Sequence[Logarithms]) -> int:
    """Return which cell has the lowest middle, without the rounds' levels, so that drift does not decide."""
    levels = _levels(times)
    steady = [np.array([each - levels[round_] for round_, each in known.items()]) for known in times]
    return min(range(len(times)), key=lambda index: centre(steady[index]))


def _levels(times: Sequence[Logarithms]) -> dict[int, float]:
    deviations: dict[int, list[float]] = {}
    for known in times:
        usual = median(known.values()) if known else 0.0
        for round_, each in known.items():
            deviations.setdefault(round_, []).append(each - usual)
    return {round_: median(deviations[round_]) for round_ in sorted(deviations)}


def _logarithms(result: CellResult) -> dict[int, float]:
    return {round_: log(each) for round_, each in result.makespans_s.items()}
