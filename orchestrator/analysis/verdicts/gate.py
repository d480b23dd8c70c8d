"""Is one version of a project slower than another, both measured in one run?

In each round both versions do the same work in every row, in shuffled order, so that what slows the machine slows
both. A row is judged by the ratios of head to base within rounds: their middle, its standard error widened by how much
rounds depend on each other, and Holm's correction over the rows. benchmarks/statistics/gate.py chose the constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt
from statistics import median
from typing import Final

import numpy as np

from orchestrator.analysis.stats.dependence import inflation
from orchestrator.analysis.stats.intervals import paired
from orchestrator.analysis.verdicts.common_shift import NORMAL, Rest, holm
from orchestrator.analysis.verdicts.comparability import failed_share
from orchestrator.analysis.verdicts.regressions import changed
from orchestrator.model.findings import ChangeWord, Estimate, Observation
from orchestrator.model.runs import Cell, CellResult, Run

FEWEST_ROUNDS: Final = 20  # fewer show too little of how rounds depend on each other
ALARMS: Final = 0.001  # adjusted p-value of a change: at most 1 % of gates alarm in simulations
LEAST_ERROR: Final = 1e-6  # of a log ratio: rounds that are equal to the digit prove no more


@dataclass(frozen=True, slots=True)
class GateRow:
    """One row of both versions; `ratio` is the makespan of head over base, above 1 if head is slower."""

    cell: Cell
    change: ChangeWord
    rounds: int
    ratio: Estimate | None = None
    p_value: float | None = None
    obstacle: Observation | None = None  # why it is not judged


@dataclass(frozen=True, slots=True)
class Gate:
    """What a gate found; `smallest` is the smallest change of the median row that would have counted, as a share."""

    rows: tuple[GateRow, ...]
    margin: float
    smallest: float | None

    @property
    def regression(self) -> bool:
        """Whether head is slower in any row, or its outcomes are wrong."""
        return any(each.change in ("regression", "invalid") for each in self.rows)

    @property
    def judged(self) -> bool:
        """Whether every row has a figure: a gate that measured too little has let nothing pass."""
        return bool(self.rows) and all(each.ratio is not None for each in self.rows)


def gate(base: Run, head: Run) -> Gate:
    """Return what became of each row from base to head, whose rounds were taken side by side."""
    heads = {result.cell: result for result in head.cells}
    pairs = {
        result.cell: (result, heads[result.cell])
        for result in base.cells
        if result.cell in heads and not result.cell.replica
    }
    obstacles = {cell: _obstacle(*pair) for cell, pair in pairs.items()}
    logs = {
        cell: [log(new.makespans_s[each] / old.makespans_s[each]) for each in rounds]
        for cell, (old, new) in pairs.items()
        if obstacles[cell] is None and (rounds := paired(old.makespans_s, new.makespans_s))
    }
    rests = {cell: rest_of(each) for cell, each in logs.items() if len(each) >= FEWEST_ROUNDS}
    adjusted = holm({cell: rest.p_value for cell, rest in rests.items()})
    margin = head.plan.margin
    rows = []
    for cell in pairs:
        if cell in rests:
            word = changed(rests[cell], adjusted[cell], margin, ALARMS)
            row = GateRow(cell, word, len(logs[cell]), rests[cell].estimate, adjusted[cell])
        elif obstacles[cell] is not None:
            row = GateRow(cell, "invalid", 0, obstacle=obstacles[cell])
        else:
            row = GateRow(cell, "inconclusive", len(logs.get(cell, ())))
        rows.append(row)
    smallest = median(rest.smallest(ALARMS / len(rests)) for rest in rests.values()) if rests else None
    return Gate(tuple(rows), margin, smallest)


def rest_of(logs: list[float]) -> Rest:
    """Return the middle of log ratios of successive rounds, with an error that allows for their dependence."""
    values = np.array(logs)
    widened = inflation(values)
    deviation = NORMAL * float(np.median(np.abs(values - np.median(values))))
    error = max(LEAST_ERROR, deviation * sqrt(pi / 3 / len(logs)) * widened)
    first, second = np.triu_indices(len(values))
    middle = float(np.median(values[first] + values[second])) / 2  # Hodges and Lehmann's
    return Rest(middle, error, max(2, round(len(logs) / widened**2)) - 1)


def _obstacle(base: CellResult, head: CellResult) -> Observation | None:
    for result, which in ((base, "base"), (head, "head")):
        if not result.correct:
            return Observation("incorrect", {"which": which})
    return Observation("unequal failures") if failed_share(base) != failed_share(head) else None
