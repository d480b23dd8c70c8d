"""The noise floor: how far a cell differs from itself, by the A/A pair that each run contains."""

from __future__ import annotations

from math import log

from orchestrator.analysis.stats.intervals import ratio
from orchestrator.analysis.verdicts.comparability import comparable
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Run


def noise_floor(run: Run) -> Estimate | None:
    """Return the ratio of the A/A pair: the same cell, measured twice a round.

    Of several pairs it is the ratio furthest from 1; `None` if no pair was measured.
    """
    originals = {result.cell: result for result in run.cells if not result.cell.replica}
    ratios = [
        each
        for result in run.cells
        if result.cell.replica and result.cell.original in originals
        if comparable(result, originals[result.cell.original])
        if (each := ratio(result.makespans_s, originals[result.cell.original].makespans_s)) is not None
    ]
    return max(ratios, key=lambda each: abs(log(each.point)), default=None)
