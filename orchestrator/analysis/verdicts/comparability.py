"""Which cells' times may be compared: those that did the same work and completed it.

Failing is quick, so a time in which more tasks failed is not that of a faster cell. But a broken input fails in
every cell alike, and then they may be compared: both must have failed as many tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import log

from orchestrator.analysis.stats.intervals import paired, ratio
from orchestrator.analysis.verdicts.selection import Selection
from orchestrator.model.findings import Estimate, Observation
from orchestrator.model.runs import CellResult, Run


def comparable(one: CellResult, other: CellResult) -> bool:
    """Return whether both are usable, and failed as many tasks in each round that has both."""
    return one.usable and other.usable and _unequal(_alone(one), _alone(other)) is None


def eligible(results: Iterable[CellResult]) -> tuple[CellResult, ...]:
    """Return those of cells with the same work that are comparable with the one that failed the fewest tasks."""
    able = [result for result in results if result.usable]
    least = min(able, key=failed_share, default=None)
    return () if least is None else tuple(result for result in able if comparable(result, least))


def obstacle(ours: Selection, theirs: Selection) -> Observation | None:
    """Return why two sides' times may not be compared; `None` if they may.

    Compared are the cells selected in each round, and the two cells that are best over all rounds.
    """
    for result in (*ours.compared, *theirs.compared):
        if not result.correct:
            faults = {
                name: sum(getattr(sample, name) for sample in result.samples)
                for name in ("wrong", "lost", "duplicated")
            }
            return Observation("incorrect", {"cell": result.cell, **faults})
        if not result.usable:
            return Observation("nothing completed", {"cell": result.cell})
    unequal = _unequal(ours.by_round, theirs.by_round)
    return unequal or _unequal(_alone(ours.best), _alone(theirs.best))


def noise_floor(run: Run) -> Estimate | None:
    """Return how far a cell differs from itself: the ratio of the A/A pair, measured twice a round.

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


def failed_share(result: CellResult) -> float:
    """Return the share of its tasks that failed."""
    return sum(each.failed for each in result.samples) / max(1, sum(each.tasks for each in result.samples))


def _unequal(ours: Mapping[int, CellResult], theirs: Mapping[int, CellResult]) -> Observation | None:
    """Return the first round in which one side failed more tasks than the other."""
    for round_ in paired(ours, theirs):
        failed, failed_by_other = _failed(ours[round_], round_), _failed(theirs[round_], round_)
        if failed != failed_by_other:
            cells = {"cell": ours[round_].cell, "other": theirs[round_].cell}
            counts = {"failed": failed, "failed_by_other": failed_by_other}
            return Observation("unequal failures", {"round_": round_, **cells, **counts})
    return None


def _alone(result: CellResult) -> Mapping[int, CellResult]:
    """Return a cell as the one selected in each round that it has."""
    return dict.fromkeys(result.makespans_s, result)


def _failed(result: CellResult, round_: int) -> int:
    return sum(sample.failed for sample in result.samples if sample.round == round_)
