"""The best of many cells, picked so that it does not profit from the picking.

The fastest of many measured cells looks faster than it is, for it was picked for its luck, too. So each
round is judged with the cell that was best in the rounds *before* it: whatever luck picked that cell, the
round that judges it comes later, and its noise is as likely to be above as below.
Source: the prequential principle of Dawid, "Statistical theory: the prequential approach", J. R. Stat.
Soc. A 147, 1984. Picking by all rounds but the judged one would spare the first round, but calls up to
four times as many equal sides different as it should: benchmarks/statistics/coverage.py measures both.
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

Logarithms: TypeAlias = Mapping[int, float]
"""Round to the logarithm of a makespan."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The best of some cells: `best` by all rounds, `by_round` by the rounds before each.

    A first round has nothing before it, so it is in `by_round` only where there was nothing to pick.
    """

    best: CellResult
    by_round: Mapping[int, CellResult]

    @property
    def makespans_s(self) -> dict[int, float]:
        """Round to the makespan in it of that round's pick."""
        return {round_: result.makespans_s[round_] for round_, result in self.by_round.items()}

    @property
    def compared(self) -> tuple[CellResult, ...]:
        """Every cell that a judgement stands on, the best first, each once."""
        results = (self.best, *self.by_round.values())
        return tuple({result.cell: result for result in results}.values())


def select_best(candidates: Sequence[CellResult]) -> Selection | None:
    """The best of the candidates, over all and round by round; `None` where none has a sample."""
    measured = [result for result in candidates if result.samples]
    if not measured:
        return None
    if len(measured) == 1:
        return Selection(measured[0], dict.fromkeys(measured[0].makespans_s, measured[0]))
    times = [_logarithms(result) for result in measured]
    by_round = {}
    for round_ in sorted({each for known in times for each in known}):
        able = [index for index, known in enumerate(times) if round_ in known and min(known) < round_]
        if able:
            earlier = [{r: each for r, each in times[index].items() if r < round_} for index in able]
            by_round[round_] = measured[able[_lowest(earlier)]]
    return Selection(measured[_lowest(times)], by_round)


def compare_best(ours: Selection, theirs: Selection) -> Estimate | None:
    """One side's best against the other's: how many times as long it takes.

    The point and an interval come from the rounds' picks. The interval is widened to hold that of the
    two cells which are best over all rounds: the first does not profit from the picking but may suffer
    from wrong early picks, the second suffers from none but profits. Where either has none there is none.
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
    """How much slower than usual each round was, as a logarithm: the median over its cells.

    A makespan counts against its own cell's median, so a cell that lacks a round does not move its level.
    """
    return _levels([_logarithms(result) for result in results])


def _lowest(times: Sequence[Logarithms]) -> int:
    """Which cell has the lowest middle, each round less its level, so that drift does not choose."""
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
