"""The best of many cells, picked so that it does not profit from the picking.

The fastest of many measured cells looks faster than it is: it was picked for its luck, too. Therefore
each round is judged with the cell that is best by all *other* rounds; luck in a round then cannot pick the
cell whose time that round gives. What is judged is thus the advice "take what measured best".
Source: the leave-one-out choice of Stone, "Cross-validatory choice and assessment of statistical
predictions", J. R. Stat. Soc. B 36, 1974. benchmarks/coverage.py measures that it holds its level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import median

import numpy as np

from orchestrator.analysis.estimates import centre
from orchestrator.model import CellResult


@dataclass(frozen=True, slots=True)
class Pick:
    """The best of some cells: `best` by all rounds, and `by_round` by all rounds but the one judged.

    `makespans_s` is, of each round, the makespan in it of the cell picked for it.
    """

    best: CellResult
    by_round: Mapping[int, CellResult]

    @property
    def makespans_s(self) -> dict[int, float]:
        """Round to the makespan of that round's pick."""
        return {round_: result.makespans_s[round_] for round_, result in self.by_round.items()}

    @property
    def compared(self) -> tuple[CellResult, ...]:
        """Every cell that the judgement stands on, the best first, each once."""
        others = {result.cell: result for result in self.by_round.values()}
        return tuple({self.best.cell: self.best, **others}.values())


def pick(candidates: Sequence[CellResult]) -> Pick | None:
    """The best of the candidates, round by round; `None` where none has a sample.

    The best is the one with the lowest pseudo-median of log makespans, each less its round's level, so
    that drift does not choose. A round's pick is among the cells that have that round and another one;
    with a single round there is no other to pick by, and the best stands for it.
    """
    measured = [result for result in candidates if result.samples]
    if not measured:
        return None
    levels = round_levels(measured)
    steady = {
        result.cell: {round_: log(each) - levels[round_] for round_, each in result.makespans_s.items()}
        for result in measured
    }
    best = min(measured, key=lambda result: _score(steady[result.cell]))
    if len(levels) == 1:
        return Pick(best, dict.fromkeys(levels, best))
    by_round = {}
    for round_ in levels:
        able = [each for each in measured if round_ in steady[each.cell] and len(steady[each.cell]) > 1]
        if able:
            by_round[round_] = min(able, key=lambda result: _score(steady[result.cell], without=round_))
    return Pick(best, by_round)


def round_levels(results: Sequence[CellResult]) -> dict[int, float]:
    """How much slower than usual each round was, as a logarithm: the median over its cells.

    A makespan counts against its own cell's median, so a cell that lacks a round does not move its level.
    """
    deviations: dict[int, list[float]] = {}
    for result in results:
        logarithms = {round_: log(each) for round_, each in result.makespans_s.items()}
        usual = median(logarithms.values()) if logarithms else 0.0
        for round_, each in logarithms.items():
            deviations.setdefault(round_, []).append(each - usual)
    return {round_: median(deviations[round_]) for round_ in sorted(deviations)}


def _score(by_round: Mapping[int, float], without: int | None = None) -> float:
    return centre(np.array([each for round_, each in by_round.items() if round_ != without]))
