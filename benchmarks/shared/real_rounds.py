"""Real rounds of cells with our strategies, clock and fleet, without the rest of a session.

There is no image server, no preflight and no result file. Every sample is checked; a bad one ends the script.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.measurement.rounds import shuffled
from orchestrator.model.runs import Cell
from orchestrator.strategies.base import Strategy, make_strategy
from worker.contract import Failure, Payload, Task
from worker.stages import STAGES


@dataclass(frozen=True)
class Batch:
    """What a cell does in each sample, and the expected outputs."""

    tasks: tuple[Task, ...]
    expected: Mapping[int, Payload | Failure]


def batch(stage: str, kernel: str, payloads: Sequence[Payload]) -> Batch:
    """Return a task per payload, with the reference's outputs."""
    reference = STAGES[stage].reference
    return Batch(
        tuple(Task(index, stage, kernel, payload) for index, payload in enumerate(payloads)),
        {index: reference(payload) for index, payload in enumerate(payloads)},
    )


@contextmanager
def fleet_of(slots: int) -> Iterator[Fleet]:
    """Start an embedded fleet whose clocks are known."""
    with ChildProcesses() as processes, embedded_fleet(processes, slots, False, ()) as fleet:
        fleet.measure_clock_offsets()
        yield fleet


@contextmanager
def entered(cells: Sequence[Cell], fleet: Fleet) -> Iterator[Mapping[Cell, Strategy]]:
    """Enter a strategy for every cell and warm it up; cells that differ only in the work share one."""
    ready: dict[Cell, Strategy] = {}
    with ExitStack() as stack:
        for cell in cells:
            place = _place(cell)
            if place not in ready:
                ready[place] = stack.enter_context(make_strategy(cell, fleet))
        yield {cell: ready[_place(cell)] for cell in cells}


def makespans(
    strategies: Mapping[Cell, Strategy],
    batches: Mapping[Cell, Batch],
    fleet: Fleet,
    order: random.Random,
    rounds: int,
) -> dict[Cell, dict[int, float]]:
    """Return the makespans of each cell by round, after one round of warm-up; every round has a fresh order."""
    found: dict[Cell, dict[int, float]] = {cell: {} for cell in batches}
    gc.collect()
    gc.freeze()
    for number in range(-1, rounds):
        fleet.measure_clock_offsets()
        for position, cell in enumerate(shuffled(list(batches), order)):
            work = batches[cell]
            place = SamplePosition(number, position, 0.0)
            sample, failures = measure(strategies[cell], work.tasks, work.expected, place)
            if failures or not sample.correct:
                raise RuntimeError(f"{cell} gave {sample} with {failures}")
            if number >= 0:
                found[cell][number] = sample.makespan_s
    gc.unfreeze()
    return found


def _place(cell: Cell) -> Cell:
    """Return what a strategy depends on."""
    return replace(cell, stage="", kernel="", replica=0, width=None, height=None)
