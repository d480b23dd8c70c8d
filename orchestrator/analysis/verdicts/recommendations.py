"""What to change, from measured cells alone: chunk, transport, data, slots, pool, and what task events cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any, Final, Literal, TypeAlias

from orchestrator.analysis.queueing.service_demands import Bounds, Demands, bounds
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.analysis.stats.intervals import beyond_one, makespan, paired, ratio
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import candidates, is_celery
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run

Change: TypeAlias = Literal["chunk", "transport", "data", "slots", "pool"]

CHANGES: Final[tuple[Change, ...]] = ("chunk", "transport", "data", "slots", "pool")


@dataclass(frozen=True, slots=True)
class Saving:
    """Two measured cells that differ in one thing: what the better one saves, in seconds a task."""

    change: Change
    worse: Cell
    better: Cell
    saved_s: float
    ratio: Estimate
    rounds: int


@dataclass(frozen=True, slots=True)
class Advice:
    """What limits Celery's best cell of a stage, and the changes that were measured to save time."""

    savings: tuple[Saving, ...]
    bounds: Bounds | None = None
    costs: tuple[Cost, ...] = ()  # in place of `bounds` if no number of slots would be enough


def advice(run: Run, stage: str, demands: Demands, costs: Sequence[Cost] = ()) -> Advice | None:
    """Return the advice for a stage with these COSTs; `None` without a Celery cell that may be compared.

    Savings are of the best cell's kernel, which is the verdict's: a chunk that saves another kernel time may cost
    this one some. A run over slots has neither limits nor savings by slots, because its curves have both.
    """
    celery = eligible(each for each in run.compared(stage) if each.cell.distributed and not each.cell.replica)
    best = select_best(candidates(celery, is_celery))
    if best is None:
        return None
    of_kernel = [each for each in celery if each.cell.kernel == best.best.cell.kernel]
    found = savings(of_kernel, run.plan.margin)
    if run.plan.axis == "slots":
        return Advice(tuple(each for each in found if each.change != "slots"))
    measured = demands(best.best.cell)
    if measured is None:
        return Advice(found)
    against_best = tuple(each for each in costs if each.against == "best in-process")
    # A batch that is too short for any number of slots says nothing about longer ones.
    too_short = any(each.limited_by == "latency" for each in against_best[:1])
    if against_best and not too_short and all(each.kind == "never" for each in against_best):
        return Advice(found, costs=against_best)
    return Advice(found, bounds=bounds(measured, best.best.cell.slots))


def savings(celery: Sequence[CellResult], margin: float) -> tuple[Saving, ...]:
    """Return the best significant saving of each kind of change, between cells that did the same work."""
    found = []
    times = {each.cell: estimate.point for each in celery if (estimate := makespan(each)) is not None}
    for change in CHANGES:
        able = [
            saving
            for worse in celery
            for better in celery
            if worse is not better and _differ_only_in(worse.cell, better.cell, change)
            if (saving := _saving(change, worse, better)) is not None
            if beyond_one(saving.ratio, margin) < 0
        ]
        # To the fastest cell of all: a user who has it gains nothing by advice about slower ones.
        best = max(able, key=lambda each: (-times[each.better], each.saved_s), default=None)
        found += [best] if best else []
    return tuple(found)


def _saving(change: Change, worse: CellResult, better: CellResult) -> Saving | None:
    times, longer = ratio(better.makespans_s, worse.makespans_s), makespan(worse)
    if times is None or longer is None:
        return None
    saved_s = longer.point * (1 - times.point) / worse.samples[0].tasks
    rounds = len(paired(better.makespans_s, worse.makespans_s))
    return Saving(change, worse.cell, better.cell, saved_s, times, rounds)


def _differ_only_in(one: Cell, other: Cell, change: Change) -> bool:
    changed: dict[str, Any] = {change: getattr(other, change)}
    return getattr(one, change) != getattr(other, change) and replace(one, **changed) == other


@dataclass(frozen=True, slots=True)
class EventsCost:
    """A Celery cell without task events, and how many times as long it takes with them."""

    cell: Cell
    ratio: Estimate
    rounds: int
    message_s: float  # the difference of the makespans, divided by the batch's messages


def events_costs(run: Run) -> tuple[EventsCost, ...]:
    """Return what task events cost the fastest Celery cell of each stage that was measured with and without them.

    Their share is largest there, because a message's events take the same time whatever its tasks do. The fastest
    cell is that with the least product of both times, so that neither side is selected for its luck.
    """
    fastest = (min(_pairs(run.compared(stage)), key=_product, default=None) for stage in run.stages)
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
    times, before = ratio(with_events.makespans_s, without.makespans_s), makespan(without)
    if times is None or before is None:
        return None
    rounds = len(paired(with_events.makespans_s, without.makespans_s))
    messages = ceil(without.samples[0].tasks / (without.cell.chunk or 1))
    return EventsCost(without.cell, times, rounds, before.point * (times.point - 1) / messages)
