"""What to change, from measured cells alone: the chunk, the transport, where data stays, or the number of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from orchestrator.analysis.queueing.service_demands import Bounds, bounds, service_demands, slot_series
from orchestrator.analysis.scaling.cost import Cost, costs
from orchestrator.analysis.stats.intervals import beyond_one, makespan, paired, ratio
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import candidates
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run

Change: TypeAlias = Literal["chunk", "transport", "data", "slots"]

CHANGES: Final[tuple[Change, ...]] = ("chunk", "transport", "data", "slots")


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
    """What limits Celery's best cell of a stage, and the changes that were measured to save time.

    `costs` replaces `bounds` if no number of slots would be enough.
    """

    savings: tuple[Saving, ...]
    bounds: Bounds | None = None
    costs: tuple[Cost, ...] = ()


def advice(run: Run, stage: str) -> Advice | None:
    """Return the advice for a stage; `None` without a Celery cell that may be compared.

    Savings are of the best cell's kernel, which is the verdict's: a chunk that saves another kernel time may cost
    this one some. A run over slots has neither limits nor savings by slots, because its curves have both.
    """
    celery = eligible(each for each in run.of_stage(stage) if each.cell.distributed and not each.cell.replica)
    best = select_best(candidates(celery, lambda cell: cell.distributed))
    if best is None:
        return None
    of_kernel = [each for each in celery if each.cell.kernel == best.best.cell.kernel]
    found = savings(of_kernel, run.plan.margin)
    if run.plan.axis == "slots":
        return Advice(tuple(each for each in found if each.change != "slots"))
    measured = service_demands(slot_series(run, best.best.cell), run)
    if measured is None:
        return Advice(found)
    against_best = tuple(each for each in costs(run, stage) if each.against == "best in-process")
    # A batch that is too short for any number of slots says nothing about longer ones.
    if (
        against_best
        and against_best[0].limited_by != "latency"
        and all(c.kind == "never" for c in against_best)
    ):
        return Advice(found, costs=against_best)
    return Advice(found, bounds=bounds(measured, best.best.cell.slots))


def savings(celery: Sequence[CellResult], margin: float) -> tuple[Saving, ...]:
    """Return the best significant saving of each kind of change, in the order of `CHANGES`.

    Args:
        celery: cells that did the same work.
        margin: the smallest difference that matters; a saving is one that `beyond_one` calls a difference.
    """
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
