"""Where the time of a task goes: the hop ledger, of a sample and of a cell over its rounds.

Hops and the unexplained rest add up to the latency by construction, so only a sign can be wrong: see `beyond_bound`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

import numpy as np

from orchestrator.model.runs import MAX_SERVICE_TIMES, Cell, CellResult, MeanHops
from worker.contract import Hops

# In the order in which a task passes them; the last is what no hop accounts for.
LEGS: Final = ("publish", "queue", "fetch", "compute", "store", "return", "unexplained")

SERVICE_DIGITS: Final = 4  # significant, of a service time in a result file
RESOLUTION_S: Final = 1e-6  # error that a sum of clock readings may have


@dataclass(frozen=True, slots=True)
class HopTime:
    """One hop of a cell: seconds a task, and the share of the latency if there is one."""

    name: str
    seconds: float
    share: float | None


@dataclass(frozen=True, slots=True)
class HopLedger:
    """A cell's hops over its rounds: medians of the rounds' means, so they need not add up exactly."""

    cell: Cell
    legs: tuple[HopTime, ...]
    latency_s: float | None
    compute_cpu_s: float  # within `compute`
    clock_bound_s: float | None

    def seconds(self, leg: str) -> float | None:
        """Return the seconds a task of one leg; `None` if the strategy has no such leg."""
        return next((each.seconds for each in self.legs if each.name == leg), None)


def mean_hops(hops: Sequence[Hops]) -> MeanHops | None:
    """Return each hop's mean seconds a task; `None` without hops.

    A hop that some tasks lack (a failed task stores nothing) counts as no time for them, so that the means add up to
    the mean latency. If only some tasks have a latency, only they are counted.
    """
    whole = [each for each in hops if each.latency_s is not None] or list(hops)
    if not whole:
        return None
    return MeanHops(
        tasks=len(whole),
        compute_s=fmean(each.compute_s for each in whole),
        compute_cpu_s=fmean(each.compute_cpu_s for each in whole),
        publish_s=_mean([each.publish_s for each in whole]),
        queue_s=_mean([each.queue_s for each in whole]),
        fetch_s=_mean([each.fetch_s for each in whole]),
        store_s=_mean([each.store_s for each in whole]),
        return_s=_mean([each.return_s for each in whole]),
        latency_s=_mean([each.latency_s for each in whole]),
        unexplained_s=_mean([each.unexplained_s for each in whole]),
        clock_bound_s=max(_known(each.clock_bound_s for each in whole), default=None),
        beyond_bound=sum(map(beyond_bound, whole)),
    )


def service_times_s(hops: Sequence[Hops]) -> tuple[float, ...]:
    """Return how long each task occupied its slot, as `Sample.service_times_s` keeps it.

    Groups of equal size keep the mean, whatever the number of tasks.
    """
    held_s = [each.compute_s + (each.fetch_s or 0.0) + (each.store_s or 0.0) for each in hops]
    if len(held_s) > MAX_SERVICE_TIMES:
        # The total of the shortest tasks up to each boundary, which may fall into a task.
        totals_s = np.cumsum([0.0, *sorted(held_s)])
        boundaries = np.linspace(0, len(held_s), MAX_SERVICE_TIMES + 1)
        groups_s = np.diff(np.interp(boundaries, np.arange(len(totals_s)), totals_s))
        held_s = list(groups_s * (MAX_SERVICE_TIMES / len(held_s)))
    return tuple(float(f"{max(0.0, each):.{SERVICE_DIGITS}g}") for each in held_s)


def beyond_bound(hops: Hops) -> bool:
    """Return whether a task's hops contradict each other by more than the clocks' bound can explain.

    Queue, return and the rest each contain at most one error of the clock offset, so none may lie below minus the
    bound. The other hops are differences on one clock and may not be negative.
    """
    least = -(hops.clock_bound_s or 0.0) - RESOLUTION_S
    across = _known((hops.queue_s, hops.return_s, hops.unexplained_s))
    within = _known((hops.publish_s, hops.fetch_s, hops.compute_s, hops.store_s))
    return any(seconds < least for seconds in across) or any(seconds < 0 for seconds in within)


def hop_ledger(result: CellResult) -> HopLedger | None:
    """Return where a cell's tasks spend their time; `None` if no sample has hops."""
    rounds = [sample.hops for sample in result.samples if sample.hops is not None]
    if not rounds:
        return None
    return HopLedger(
        cell=result.cell,
        legs=tuple(leg for name in LEGS if (leg := _leg(name, rounds)) is not None),
        latency_s=_median(_known(hops.latency_s for hops in rounds)),
        compute_cpu_s=median(hops.compute_cpu_s for hops in rounds),
        clock_bound_s=max(_known(hops.clock_bound_s for hops in rounds), default=None),
    )


def bound(result: CellResult) -> str | None:
    """Return the hop that limits a Celery cell most; `None` if its hops are unknown.

    If slots are busy for more than half of the makespan, they are the bottleneck: the largest of fetch, compute and
    store. Otherwise they wait for work, or the orchestrator waits for them: the largest of publish, queue and return.
    So a wait in the queue behind other tasks is not attributed to the queue.
    """
    of_cell = hop_ledger(result)
    if of_cell is None or of_cell.latency_s is None:
        return None
    busy = median(_busy(sample.hops, sample.makespan_s) for sample in result.samples if sample.hops)
    legs = ("fetch", "compute", "store") if busy > result.cell.slots / 2 else ("publish", "queue", "return")
    known = [leg for leg in of_cell.legs if leg.name in legs]
    return max(known, key=lambda leg: leg.seconds).name if known else None


def _busy(hops: MeanHops, makespan_s: float) -> float:
    return hops.tasks * sum(_known((hops.fetch_s, hops.compute_s, hops.store_s))) / makespan_s


def _leg(name: str, rounds: Sequence[MeanHops]) -> HopTime | None:
    known = [(hops, each) for hops in rounds if (each := getattr(hops, f"{name}_s")) is not None]
    if not known:
        return None
    shares = [each / hops.latency_s for hops, each in known if hops.latency_s]
    return HopTime(name, median(each for _, each in known), _median(shares))


def _mean(values: Sequence[float | None]) -> float | None:
    known = _known(values)
    return sum(known) / len(values) if known else None


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
