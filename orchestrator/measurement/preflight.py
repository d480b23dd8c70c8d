"""What the timer, the broker, the payload store and short tasks cost, before any work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final

import redis

from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.spin import STAGE, iterations_per_s
from orchestrator.measurement.function_process import ContainedRow
from orchestrator.model.environment import Preflight, TaskOverhead
from orchestrator.model.runs import DEFAULT_POOL, Cell
from orchestrator.strategies import STRATEGIES
from orchestrator.strategies.base import Strategy, make_strategy
from worker.contract import Task
from worker.payloads.redis import connect

PAYLOAD_BYTES: Final = 1_920_000  # of one 800x800 picture
NOOPS: Final = 100
WARM_UPS: Final = 10
BATCH: Final = 200  # no-ops on all slots at once
BATCHES: Final = 3  # of no-ops, of which the median counts, after one that warms up
WORKING_BATCH: Final = 64  # tasks that work
WORKING_BATCHES: Final = 5  # of which the median counts
STEPS: Final = 3  # towards the work that takes as long as what it costs beside it
KERNEL: Final = "held"  # what they do
LONG_S: Final = 0.02  # a no-op that takes longer costs about what a task costs beside work


def preflight(fleet: Fleet | None) -> Preflight:
    """Measure the least that a distributed task costs; without a fleet, the timer alone."""
    resolution = timer_resolution_s()
    if fleet is None:
        return Preflight(resolution)
    with fleet.client() as client:
        rtt = _typical(client.ping, 50)
    put, get = _payload_bandwidth(fleet)
    return Preflight(resolution, rtt, put, get, _noop_task_s(fleet))


def task_overheads(
    strategies: Mapping[Cell, Strategy], slots: int, *, workers_are_here: bool
) -> tuple[TaskOverhead, ...]:
    """Time batches of short tasks on all of `slots`, for each strategy that has as many.

    Together they take a quarter of the time that they take one by one, because no slot waits for the orchestrator.
    Of cells that differ in what they are given alone, one is timed; resident data and the idiomatic style are left out.
    """
    found: list[TaskOverhead] = []
    for cell, strategy in strategies.items():
        plain = cell.data != "resident" and cell.style == "tuned" and cell.slots == slots
        kind = STRATEGIES[cell.strategy]
        if not plain or not kind.many_slots or kind.asynchronous or any(each.is_of(cell) for each in found):
            continue
        here = workers_are_here or not cell.distributed
        beside_work = kind.own_processes and cell.pool != "threads" and here
        in_child = strategy.overhead_s if isinstance(strategy, ContainedRow) else None
        task_s = overhead_s(strategy, beside_work) if in_child is None else in_child(beside_work)
        if task_s is not None:
            found.append(TaskOverhead(cell.strategy, slots, cell.transport, cell.chunk, cell.pool, task_s))
    return tuple(found)


def overhead_s(strategy: Strategy, beside_work: bool) -> float:
    """Return what a short task costs beside its work, in seconds of a slot.

    Args:
        strategy: entered, and free.
        beside_work: go on with tasks that work, a step nearer each time to the work that takes half of a slot's time.
            Processes that never work hardly ever sleep, so a no-op costs them about half of what a task costs beside
            work (`benchmarks/system/task_length.py`). It needs slots as fast as this process, each with its own GIL.
    """
    noops = [Task(index, "diagnostics", "noop", "") for index in range(BATCH)]
    empty_s = statistics.median([_task_s(strategy, noops) for _ in range(1 + BATCHES)][1:])
    if not beside_work or empty_s > LONG_S:
        return empty_s
    speed = iterations_per_s(KERNEL)
    work_s = empty_s
    for _ in range(STEPS):
        amount = max(1, round(work_s * speed))
        tasks = [Task(index, STAGE, KERNEL, f"{KERNEL} {amount} {index}") for index in range(WORKING_BATCH)]
        busy_s = statistics.median(_task_s(strategy, tasks) for _ in range(WORKING_BATCHES))
        work_s = busy_s / 2  # between this work and what it costs beside it, where the next step looks
    return work_s


def _task_s(strategy: Strategy, tasks: list[Task]) -> float:
    return _batch_s(strategy, tasks) * strategy.slots / len(tasks)


def _batch_s(strategy: Strategy, tasks: list[Task]) -> float:
    strategy.prepare(tasks)
    started = ended = time.perf_counter()
    for _ in strategy.run(tasks):
        ended = time.perf_counter()
    return ended - started


def timer_resolution_s(clock: Callable[[], float] = time.perf_counter, steps: int = 50) -> float:
    """Return the smallest observed step of the clock, in seconds."""
    smallest = float("inf")
    for _ in range(steps):
        first = second = clock()
        while second == first:
            second = clock()
        smallest = min(smallest, second - first)
    return smallest


def _payload_bandwidth(fleet: Fleet) -> tuple[float, float]:
    key = f"{fleet.run_id}:preflight"
    payload = memoryview(bytes(PAYLOAD_BYTES))
    with connect(fleet.settings.payload_store_url, tls=fleet.settings.tls) as client:
        try:
            put_s = _typical(lambda: client.set(key, payload, ex=60), 10)
        except redis.OutOfMemoryError:
            raise fleet.run_queue.out_of_memory_error() from None
        get_s = _typical(lambda: client.get(key), 10)
        client.unlink(key)
    return PAYLOAD_BYTES / put_s, PAYLOAD_BYTES / get_s


def _noop_task_s(fleet: Fleet) -> float:
    name = next(name for name, kind in STRATEGIES.items() if kind.distributed)
    pool = DEFAULT_POOL if DEFAULT_POOL in fleet.slots_by_pool else next(iter(fleet.slots_by_pool))
    slots = min(worker.slots for worker in fleet.workers if worker.pool == pool)
    transport = next(iter(STRATEGIES[name].transports))
    cell = Cell("diagnostics", "noop", name, slots, transport, 1, "local", pool=pool)
    with make_strategy(cell, fleet) as strategy:
        tasks = [Task(index, cell.stage, cell.kernel, "") for index in range(NOOPS)]

        times = []
        for task in (*tasks[:WARM_UPS], *tasks):
            strategy.prepare([task])
            started = time.perf_counter()
            for _ in strategy.run([task]):
                times.append(time.perf_counter() - started)
        return statistics.median(times[WARM_UPS:])


def _typical(action: Callable[[], object], times: int) -> float:
    action()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
