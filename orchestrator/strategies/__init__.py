"""Who does a batch: a file a strategy, or a package where one file is too small.

`STRATEGIES` is the registry: a new strategy is one new file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.fleet.fleet import Fleet
from orchestrator.model.runs import Cell
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.celery import Celery
from orchestrator.strategies.processes import Processes
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.threads import Threads
from orchestrator.strategies.vectorized import Vectorized


@dataclass(frozen=True, slots=True)
class StrategyKind:
    """What planning has to know of a strategy.

    `many_slots`: it can use more than one slot. `batched`: it needs a kernel for the whole batch.
    `needs_fleet`: `make` is given the run's fleet, otherwise `None`. `own_processes`: each slot is a process.
    """

    summary: str
    make: Callable[[Cell, Fleet | None], Strategy]
    many_slots: bool = False
    batched: bool = False
    needs_fleet: bool = False
    own_processes: bool = False


STRATEGIES: Mapping[str, StrategyKind] = {
    "serial": StrategyKind("one task after the other, in one thread", lambda cell, _: Serial(1)),
    "threads": StrategyKind(
        "a warm pool of threads in this process", lambda cell, _: Threads(cell.slots), many_slots=True
    ),
    "processes": StrategyKind(
        "a warm pool of processes; arrays go through shared memory",
        lambda cell, _: Processes(cell.slots),
        many_slots=True,
        own_processes=True,
    ),
    "vectorized": StrategyKind(
        "NumPy over the whole stacked batch", lambda cell, _: Vectorized(1), batched=True
    ),
    "celery": StrategyKind(
        "Celery workers behind a Redis broker",
        Celery.for_cell,
        many_slots=True,
        needs_fleet=True,
        own_processes=True,
    ),
}
