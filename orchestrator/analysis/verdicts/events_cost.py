"""What task events cost: the same Celery cell with and without them, in the same rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, prod

from orchestrator.analysis.stats.intervals import makespan, paired, ratio
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run


@dataclass(frozen=True, slots=True)
class EventsCost:
    """A Celery cell without task events, and how many times as long it takes with them.

    `message_s` is the difference of the makespans divided by the batch's messages, in seconds.
    """

    cell: Cell
    ratio: Estimate
    rounds: int
    message_s: float


def events_costs(run: Run) -> tuple[EventsCost, ...]:
    """Return what task events cost the fastest Celery cell of each stage that was measured with and without them.

    Their share is largest there, because a message's events take the same time whatever its tasks do. The fastest
    cell is that with the least product of both times, so that neither side is selected for its luck.
    """
    fastest = (min(_pairs(run.of_stage(stage)), key=_product, default=None) for stage in run.stages)
    costs = (_cost(*pair) for pair in fastest if pair is not None)
    return tuple(cost for cost in costs if cost is not None)


def _pairs(results: Sequence[CellResult]) -> list[tuple[CellResult, CellResult]]:
    """Return cells without task events, each with the one that differs in nothing else."""
    celery = (each for each in results if each.cell.events is not None and not each.cell.replica)
    able = {each.cell: each for each in eligible(celery)}
    return [
        (able[cell], able[partner])
        for cell in able
        if cell.events == "off" and (partner := replace(cell, events="on")) in able
    ]


def _product(pair: tuple[CellResult, CellResult]) -> float:
    return prod(found.point for each in pair if (found := makespan(each)) is not None)


def _cost(without: CellResult, with_events: CellResult) -> EventsCost | None:
    """Return how much longer the second cell takes; `None` if no round has both."""
    times, before = ratio(with_events.makespans_s, without.makespans_s), makespan(without)
    if times is None or before is None:
        return None
    rounds = len(paired(with_events.makespans_s, without.makespans_s))
    messages = ceil(without.samples[0].tasks / (without.cell.chunk or 1))
    return EventsCost(without.cell, times, rounds, before.point * (times.point - 1) / messages)
