"""The clock: one batch of one cell, timed from the release of the batch to its last output."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.analysis.hops import mean_hops, service_times_s
from orchestrator.inputs.workload import verify
from orchestrator.model.runs import Sample, TaskFailure
from orchestrator.phrases.numbers import count
from orchestrator.strategies.base import Strategy
from worker.contract import LOST, Failure, Outcome, Payload, Task

Clock = Callable[[], float]

MISSING: Final = Failure(LOST, "the strategy gave no outcome")


@dataclass(frozen=True, slots=True)
class SamplePosition:
    """The round of a sample, its position in the round's order, and when it began."""

    round: int
    position: int
    at_s: float


def measure(
    strategy: Strategy,
    tasks: Sequence[Task],
    expected: Mapping[int, Payload | Failure],
    place: SamplePosition,
    clock: Clock = time.perf_counter,
    matches: Callable[[Payload | Failure, Outcome], bool] = verify,
) -> tuple[Sample, tuple[TaskFailure, ...]]:
    """Time a batch, then compare every output with what it should be.

    On the clock: from just before `run` is called to its last output. Off the clock: preparing the batch, fetching
    outputs that stayed in the payload store, comparing outputs.

    Args:
        strategy: entered, and free.
        tasks: the batch, at least one.
        expected: task id to the right output, or to the failure that is right for this input.
        place: kept in the sample.
        clock: seconds of wall time.
        matches: whether an outcome is as expected.
    """
    with _no_collection():
        sample, failures = _measure_batch(strategy, tasks, expected, place, clock, matches)
    return replace(sample, disturbed=strategy.disturbance() or disordered(sample, failures)), failures


def disordered(sample: Sample, failures: Sequence[TaskFailure]) -> str | None:
    """Return which tasks did not end exactly once; `None` if all did."""
    if sample.lost:
        why = next((f" ({each.message})" for each in failures if each.type == LOST), "")
        return f"{count(sample.lost, 'task')} lost{why}"
    return f"{count(sample.duplicated, 'task')} ended more than once" if sample.duplicated else None


def _measure_batch(
    strategy: Strategy,
    tasks: Sequence[Task],
    expected: Mapping[int, Payload | Failure],
    place: SamplePosition,
    clock: Clock,
    matches: Callable[[Payload | Failure, Outcome], bool],
) -> tuple[Sample, tuple[TaskFailure, ...]]:
    strategy.prepare(tasks)
    outcomes: list[Outcome] = []
    started = finished = clock()
    for outcome in strategy.run(tasks):
        finished = clock()
        outcomes.append(outcome)
    first = _first_outcomes(tasks, outcomes)
    in_order = [first[task.id] for task in tasks if task.id in first]
    ended: Counter[str] = Counter()
    failures = []
    wrong = 0
    for task in tasks:
        outcome = strategy.fetch(first.get(task.id) or Outcome(task.id, failure=MISSING))
        ended[outcome.status] += 1
        wrong += outcome.status != "lost" and not matches(expected[outcome.task_id], outcome)
        if outcome.failure is not None:
            failures.append(TaskFailure(outcome.task_id, outcome.failure.type, outcome.failure.message))
    sample = Sample(
        round=place.round,
        position=place.position,
        at_s=place.at_s,
        makespan_s=finished - started,
        tasks=len(tasks),
        ok=ended["ok"],
        failed=ended["failed"],
        lost=ended["lost"],
        duplicated=strategy.duplicated + len(outcomes) - len(first),
        wrong=wrong,
        slots_seen=len({each.slot for each in in_order} - {None}) or None,
        hops=mean_hops([each.hops for each in in_order if each.hops is not None]),
        stations=strategy.stations,
        service_times_s=service_times_s([each.hops for each in in_order if each.hops is not None]),
    )
    return sample, tuple(failures)


def _first_outcomes(tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> dict[int, Outcome]:
    """The first outcome of each task that has one."""
    first: dict[int, Outcome] = {}
    for outcome in outcomes:
        first.setdefault(outcome.task_id, outcome)
    for stranger in first.keys() - {task.id for task in tasks}:
        raise RuntimeError(
            f"the strategy gave an outcome of task {stranger}, which is not in the batch; "
            "a strategy gives one outcome of each of the batch's tasks, and of no other"
        )
    return first


@contextmanager
def _no_collection() -> Iterator[None]:
    """Switch garbage collection off, as `timeit` does: which batch it falls into is chance."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def all_kept() -> Iterator[None]:
    """Exempt everything that exists now from garbage collection, so that collecting before a sample is short."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
