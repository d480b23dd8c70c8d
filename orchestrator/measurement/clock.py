"""The clock: one batch of one cell, timed from the release of the batch to its last output."""

from __future__ import annotations

import gc
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from orchestrator.inputs.workload import verify
from orchestrator.measurement.batch_outcomes import BatchOutcomes
from orchestrator.model.runs import Sample, TaskFailure
from orchestrator.phrases.numbers import count
from orchestrator.strategies.base import Strategy
from worker.contract import LOST, Failure, Payload, Task

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class SamplePosition:
    """Where a sample stands in its run: the round, its position in the round's order, and since when."""

    round: int
    position: int
    at_s: float


def measure(
    strategy: Strategy,
    tasks: Sequence[Task],
    expected: Mapping[int, Payload | Failure],
    place: SamplePosition,
    clock: Clock = time.perf_counter,
    batches: int = 1,
) -> tuple[Sample, tuple[TaskFailure, ...]]:
    """Time a batch, then hold every output against what it should be.

    On the clock: from just before `rows` is called to the moment its last output is at hand. Off the
    clock: preparing the batch, fetching outputs that are meant to stay away, making and comparing outcomes.

    Args:
        strategy: entered, and free.
        tasks: the batch, at least one.
        expected: task id to the right output, or to the failure that is right for this input.
        place: kept in the sample.
        clock: seconds of wall time.
        batches: how many times in a row to do the batch; the sample's makespan is their median, and its `ok`
            and `failed` are those of the worst.

    Returns:
        The sample, which says itself if something disturbed it, and the failures of its tasks.
    """
    with _no_collection():
        timed = [_measure_batch(strategy, tasks, expected, place, clock) for _ in range(batches)]
    samples = [sample for sample, _ in timed]
    middle = sorted(samples, key=lambda sample: sample.makespan_s)[len(samples) // 2]
    worst = min(samples, key=lambda sample: (sample.ok, -sample.failed))
    sample = replace(
        middle,
        makespan_s=statistics.median(each.makespan_s for each in samples),
        ok=worst.ok,
        failed=worst.failed,
        lost=sum(each.lost for each in samples),
        duplicated=sum(each.duplicated for each in samples),
        wrong=sum(each.wrong for each in samples),
        batches=batches,
    )
    failures = tuple(failure for _, failures in timed for failure in failures)
    return replace(sample, disturbed=strategy.disturbance() or _disordered(sample, failures)), failures


def _disordered(sample: Sample, failures: Sequence[TaskFailure]) -> str | None:
    """What the tasks themselves tell of a disturbance: no place that works as it should loses or repeats one."""
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
) -> tuple[Sample, tuple[TaskFailure, ...]]:
    strategy.prepare(tasks)
    collected = BatchOutcomes(tasks)
    started = finished = clock()
    for row in strategy.rows(tasks):
        finished = clock()
        collected.add(row)
    ended: Counter[str] = Counter()
    failures = []
    wrong = 0
    for outcome in collected.ended(strategy.fetch):
        ended[outcome.status] += 1
        wrong += outcome.status != "lost" and not verify(expected[outcome.task_id], outcome)
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
        duplicated=strategy.duplicated + collected.again,
        wrong=wrong,
        slots_seen=len(collected.slots) or None,
        hops=collected.hops,
        stations=strategy.stations,
    )
    return sample, tuple(failures)


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection within, as `timeit` has it: whose turn it falls in is chance."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def all_kept() -> Iterator[None]:
    """What is here now stays to the end, so that no collection before a sample within need look at it again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
