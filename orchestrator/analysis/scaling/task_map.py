"""The map: what finishes a long batch first, by the length of a task and the slots on other machines.

A strategy that was measured here takes o + t / k a task: its slots do k tasks at once, and moving and handing out a
task costs o. A slot on another machine is held by a message for its overhead, the fetches and stores, and t a task; the
orchestrator and the broker bound all slots together (`queueing.stations`). The border is where both take as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.queueing.service_demands import Demands
from orchestrator.analysis.queueing.stations import stations_besides_slots
from orchestrator.analysis.scaling.granularity import Granularity
from orchestrator.analysis.stats.intervals import estimate
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates, is_celery
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import DEFAULT_POOL, FUNCTION, Cell, CellResult, Run

Floats: TypeAlias = NDArray[np.float64]

LENGTHS_S: Final = tuple(float(f"{10**exponent:.4g}") for exponent in np.linspace(-5, 1, 61))
FAR: Final = 1e6  # slots that stand for a border that no number of slots reaches
POOLS: Final = ("threads", "processes")  # asyncio has no hops, and vectorized does no single task
STAGES_SHOWN: Final = (FUNCTION, "pipeline")  # the stage on the map of a run; otherwise its last one


@dataclass(frozen=True, slots=True)
class Border:
    """At one task length: the best strategy here, and the slots elsewhere from which Celery is faster."""

    length_s: float
    here: str
    slots: Estimate | None  # `None`: no number of slots


@dataclass(frozen=True, slots=True)
class TaskMap:
    """What finishes a long batch of tasks first, for one stage and kernel."""

    stage: str
    kernel: str
    slots: int  # of the strategies here
    work_s: float | None  # of the stage's own tasks; `None` where their length was swept
    borders: tuple[Border, ...]

    @property
    def subject(self) -> str:
        """What the tasks do, in a sentence: the stage, or a user's function by its name."""
        return self.kernel if self.stage == FUNCTION else self.stage


@dataclass(frozen=True, slots=True)
class _Measured:
    """A cell, and the serial cell that did the same tasks."""

    result: CellResult
    alone: CellResult


def task_maps(run: Run, found: Sequence[Granularity], demands: Demands) -> tuple[TaskMap, ...]:
    """Return the map of a run's pipeline or function, or of each kernel of a sweep of the work.

    A run has none if its best in-process choice, of all kernels or of the map's, is one that the model cannot draw.
    """
    if run.plan.axis == "work":
        by_cell = {result.cell: result for result in run.cells}
        kernels = dict.fromkeys(each.cell.kernel for each in found)
        maps = [
            _of_sweep(run, by_cell, [e for e in found if e.cell.kernel == kernel], demands)
            for kernel in kernels
        ]
        return tuple(each for each in maps if each is not None)
    stage = next((each for each in (*STAGES_SHOWN, *run.stages[-1:]) if each in run.stages), None)
    if run.plan.axis is not None or stage is None:
        return ()
    able = eligible(run.of_stage(stage))
    best = select_best([each for each in candidates(able, is_celery) if _is_plain(each.cell, run.plan.slots)])
    kernel = None if best is None else best.best.cell.kernel
    alone = next((e for e in able if e.cell.strategy == "serial" and e.cell.kernel == kernel), None)
    if best is None or alone is None:
        return ()
    beside = [e for e in able if e.cell.kernel == kernel and (not e.cell.distributed or e is best.best)]
    choices = [select_best(candidates(rows, BASELINES["best in-process"])) for rows in (able, beside)]
    if any(each is not None and each.best.cell.strategy not in ("serial", *POOLS) for each in choices):
        return ()
    made = _task_map(run, [_Measured(each, alone) for each in beside], demands)
    own_s = estimate([each / alone.samples[0].tasks for each in alone.makespans_s.values()])
    return () if made is None or own_s is None else (replace(made, work_s=own_s.point),)


def _of_sweep(
    run: Run, by_cell: Mapping[Cell, CellResult], found: Sequence[Granularity], demands: Demands
) -> TaskMap | None:
    """Return the map of a kernel from each strategy's longest tasks below its threshold, which show its overhead."""
    measured = []
    celery = [each for each in found if each.cell.distributed]
    shortest = min(celery, key=lambda each: each.work_s.point if each.work_s else float("inf"), default=None)
    for each in (each for each in found if each not in celery or each is shortest):
        cell = (each.bracket[0] if each.bracket else each.points[-1]).cell
        alone = replace(
            cell, strategy="serial", slots=1, transport=None, chunk=None, data=None, pool=None, events=None
        )
        if alone in by_cell:
            measured.append(_Measured(by_cell[cell], by_cell[alone]))
    return _task_map(run, measured, demands)


def _task_map(run: Run, measured: Sequence[_Measured], demands: Demands) -> TaskMap | None:
    """Return the map of one Celery cell and those beside it, of one kernel; `None` if its demands are not known."""
    lengths = np.array(LENGTHS_S)
    plain = [each for each in measured if _is_plain(each.result.cell, run.plan.slots)]
    here = {
        each.result.cell: _times_here(each, lengths, _noop_s(run, each.result.cell))
        for each in plain
        if each.result.cell.strategy in POOLS
    }
    celery = next((each for each in plain if each.result.cell.distributed), None)
    there = {} if celery is None else _slots_there(celery, lengths, demands)
    rounds = sorted(set(there).intersection(*here.values()))
    if celery is None or not rounds:
        return None
    strategies = ["serial", *(cell.strategy for cell in here)]
    times = np.stack(
        [np.tile(lengths, (len(rounds), 1)), *(np.stack([each[r] for r in rounds]) for each in here.values())]
    )
    quickest = times.min(axis=0)  # (rounds, lengths)
    winners = np.median(times, axis=1).argmin(axis=0)
    borders = []
    for index, length_s in enumerate(LENGTHS_S):
        slots = estimate([_border(there[r], index, quickest[row, index]) for row, r in enumerate(rounds)])
        reached = slots is not None and slots.point < FAR / 2
        borders.append(Border(length_s, strategies[winners[index]], slots if reached else None))
    return TaskMap(celery.result.cell.stage, celery.result.cell.kernel, run.plan.slots, None, tuple(borders))


def _is_plain(cell: Cell, slots: int) -> bool:
    """Return whether a cell is one that the map compares: nothing given and nothing measured twice.

    In-process cells may have more slots than usual, as where a task waits; Celery's slots are the axis of the map.
    """
    usual = cell.style == "tuned" and cell.pool in (None, DEFAULT_POOL) and cell.data != "resident"
    many = cell.slots > slots and not cell.distributed
    return usual and (cell.slots == slots or many) and not cell.replica and cell.events != "on"


def _noop_s(run: Run, cell: Cell) -> float:
    """Return what a task without any work takes of the batch: no less is the overhead, however long tasks hide it."""
    return 0.0 if run.preflight is None else (run.preflight.overhead_s(cell) or 0.0) / cell.slots


def _times_here(measured: _Measured, lengths: Floats, noop_s: float) -> dict[int, Floats]:
    """Return the seconds a task at each length, by round: o + t / k."""
    found = {}
    for sample in measured.result.samples:
        alone = measured.alone.makespans_s.get(sample.round)
        if alone is None or sample.hops is None:
            continue
        slots = measured.result.cell.slots
        own_s, taken_s = alone / measured.alone.samples[0].tasks, sample.hops.compute_s
        at_once = min(float(slots), slots * own_s / taken_s) if taken_s > 0 else float(slots)
        overhead_s = max(noop_s, sample.makespan_s / sample.tasks - own_s / at_once)
        found[sample.round] = overhead_s + lengths / at_once
    return found


@dataclass(frozen=True, slots=True)
class _There:
    """A Celery cell in one round: the seconds of a slot a task at each length, and the most tasks a second."""

    slot_s: Floats
    most_per_s: float


def _slots_there(measured: _Measured, lengths: Floats, demands: Demands) -> dict[int, _There]:
    """Return what a cell would need of slots that have processors of their own, by round."""
    known = demands(measured.result.cell)
    found: dict[int, _There] = {}
    if known is None:
        return found
    for sample in measured.result.samples:
        needed = known.by_round.get(sample.round)
        if needed is None or sample.stations is None or sample.hops is None:
            continue
        network = replace(known.network(1, needed), cores=None, shared=False)
        limits = [each.limit_per_s for each in stations_besides_slots(network) if each.name != "window"]
        moving_s = max(0.0, sample.stations.slot_s / sample.tasks - sample.hops.compute_s)
        slot_s = lengths + moving_s + needed.overhead_s / known.chunk
        found[sample.round] = _There(slot_s, min(limits, default=float("inf")))
    return found


def _border(there: _There, index: int, quickest_s: float) -> float:
    """Return the slots with which Celery takes as long as the best strategy here."""
    if quickest_s * there.most_per_s <= 1:
        return FAR
    return float(there.slot_s[index]) / quickest_s
