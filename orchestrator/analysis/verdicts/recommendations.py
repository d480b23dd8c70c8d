"""What to change, from measured cells alone: another chunk, transport, placement, or number of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.queueing.bounds import bounds
from orchestrator.analysis.queueing.service_demands import service_demands, slot_series
from orchestrator.analysis.scaling.cost import costs
from orchestrator.analysis.stats.intervals import beyond_one, estimate, ratio
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import contestants
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.numbers import count, evidence, number
from orchestrator.phrases.scaling import bounds_sentence

Change: TypeAlias = Literal["chunk", "transport", "data", "slots"]

CHANGES: Final[tuple[Change, ...]] = ("chunk", "transport", "data", "slots")

CAVEATS: Final[dict[Change, str]] = {
    "chunk": "",
    "transport": "",
    "data": ", where inputs and outputs may stay in the payload store",
    "slots": "",
}


@dataclass(frozen=True, slots=True)
class Saving:
    """Two measured cells that differ in one thing: what the better one saves, seconds a task."""

    change: Change
    worse: Cell
    better: Cell
    saved_s: float
    ratio: Estimate
    rounds: int

    @property
    def sentence(self) -> str:
        """The saving in words."""
        return (
            f"{_value(self.better, self.change)} instead of {getattr(self.worse, self.change)} saves "
            f"{1e3 * self.saved_s:.3g} ms a task{CAVEATS[self.change]}: {number(self.ratio.inverse.point)} times as "
            f"fast ({evidence(self.ratio.inverse, self.rounds)})"
        )


def advice(run: Run, stage: str) -> tuple[str, ...]:
    """What holds Celery's best cell of a stage back, and which changes were measured to save time.

    Only cells that did the same work, only savings that a verdict would call a difference
    (`estimates.beyond_one`), and only with the kernel of the best cell, which is the verdict's: a chunk that
    saves another kernel time may cost this one some. Of a run over slots the curves say what holds it back, and
    what slots save.
    """
    celery = eligible(each for each in run.of_stage(stage) if each.cell.distributed and not each.cell.replica)
    best = select_best(contestants(celery, lambda cell: cell.distributed))
    if best is None:
        return ()
    of_kernel = [each for each in celery if each.cell.kernel == best.best.cell.kernel]
    over_slots = run.plan.axis == "slots"
    said = [
        f"{stage}: {each.sentence}."
        for each in savings(of_kernel, run.plan.margin)
        if not (over_slots and each.change == "slots")
    ]
    return tuple(said) if over_slots else (*said, *_hold(run, best.best))


def savings(celery: Sequence[CellResult], margin: float) -> tuple[Saving, ...]:
    """The largest sure saving of each kind of change, in the order of `CHANGES`."""
    found = []
    for change in CHANGES:
        pairs = [
            saving
            for worse in celery
            for better in celery
            if worse is not better and _differ_only_in(worse.cell, better.cell, change)
            if (saving := _saving(change, worse, better)) is not None
            if beyond_one(saving.ratio, margin) < 0
        ]
        # From the best of all: who has it gains nothing by advice about worse cells.
        best = max(pairs, key=lambda each: (-_time(celery, each.better), each.saved_s), default=None)
        found += [best] if best else []
    return tuple(found)


def _saving(change: Change, worse: CellResult, better: CellResult) -> Saving | None:
    times = ratio(better.makespans_s, worse.makespans_s)
    long = estimate(list(worse.makespans_s.values()))
    if times is None or long is None:
        return None
    saved_s = long.point * (1 - times.point) / worse.samples[0].tasks
    rounds = len(better.makespans_s.keys() & worse.makespans_s.keys())
    return Saving(change, worse.cell, better.cell, saved_s, times, rounds)


def _differ_only_in(one: Cell, other: Cell, change: Change) -> bool:
    if getattr(one, change) == getattr(other, change):
        return False
    if change == "slots":
        return replace(one, slots=other.slots) == other
    if change == "chunk":
        return replace(one, chunk=other.chunk) == other
    if change == "transport":
        return replace(one, transport=other.transport) == other
    return replace(one, data=other.data) == other


def _hold(run: Run, best: CellResult) -> tuple[str, ...]:
    """What holds the best cell back now, from its own stations, and whether anything against it would be enough."""
    stage = best.cell.stage
    measured = service_demands(slot_series(run, best.cell), run)
    if measured is None:
        return ()
    against_best = [each for each in costs(run, stage) if each.against == "best in-process"]
    # A batch too short for any slots tells nothing of longer ones: then what holds them is said.
    if against_best and against_best[0].bound != "latency" and all(c.kind == "never" for c in against_best):
        return tuple(f"{stage}: {each}" for each in cost_sentences(against_best))
    return (f"{stage}: {bounds_sentence(bounds(measured, best.cell.slots))}",)


def _time(celery: Sequence[CellResult], cell: Cell) -> float:
    result = next(each for each in celery if each.cell == cell)
    found = estimate(list(result.makespans_s.values()))
    return float("inf") if found is None else found.point


def _value(cell: Cell, change: Change) -> str:
    """What a cell has of a thing, as a person says it."""
    return count(cell.slots, "slot") if change == "slots" else f"{change} {getattr(cell, change)}"
