"""Real rounds of cells, through the product's own measuring path: its strategies, its clock, its fleet.

What is left out of a session is what these scripts have no use for: the origin server, the preflight, the
result file. Every sample is checked as a run's is: one that is not sound ends the script.
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
from orchestrator.measurement.rounds import batches_for, shuffled
from orchestrator.model.runs import Cell
from orchestrator.strategies.base import Strategy, make_strategy
from worker.contract import Failure, Payload, Task
from worker.stages import STAGES


@dataclass(frozen=True)
class Batch:
    """What a cell has to do in each sample, and what must come of it."""

    tasks: tuple[Task, ...]
    expected: Mapping[int, Payload | Failure]


def batch(stage: str, kernel: str, payloads: Sequence[Payload]) -> Batch:
    """One task a payload; what must come of it is what the stage's reference makes of it."""
    reference = STAGES[stage].reference
    return Batch(
        tuple(Task(index, stage, kernel, payload) for index, payload in enumerate(payloads)),
        {index: reference(payload) for index, payload in enumerate(payloads)},
    )


@contextmanager
def fleet_of(slots: int) -> Iterator[Fleet]:
    """An embedded fleet, its clocks known."""
    with ChildProcesses() as processes, embedded_fleet(processes, slots, False, ()) as fleet:
        fleet.measure_clock_offsets()
        yield fleet


@contextmanager
def entered(cells: Sequence[Cell], fleet: Fleet) -> Iterator[Mapping[Cell, Strategy]]:
    """A strategy for every cell, warm; cells that differ only in the work share one, as in a session."""
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
    """Each cell's makespans by round: one round to warm up, then `rounds`, each in a fresh order."""
    found: dict[Cell, dict[int, float]] = {cell: {} for cell in batches}
    times: dict[Cell, int] = {}
    gc.collect()
    gc.freeze()
    for number in range(-1, rounds):
        fleet.measure_clock_offsets()
        for position, cell in enumerate(shuffled(list(batches), order)):
            work = batches[cell]
            place, often = SamplePosition(number, position, 0.0), times.get(cell.original, 1)
            sample, failures = measure(strategies[cell], work.tasks, work.expected, place, batches=often)
            if failures or not sample.correct:
                raise RuntimeError(f"{cell} gave {sample} with {failures}")
            if number < 0:
                times[cell] = batches_for(sample.makespan_s)
            else:
                found[cell][number] = sample.makespan_s
    gc.unfreeze()
    return found


def _place(cell: Cell) -> Cell:
    """What a strategy depends on of a cell."""
    return replace(cell, stage="", kernel="", replica=0, width=None, height=None)
