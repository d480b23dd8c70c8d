"""What the timer, the broker, the payload store and empty tasks cost, before any work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.fleet.fleet import Fleet
from orchestrator.measurement.function_process import ContainedRow
from orchestrator.model.environment import Preflight, TaskOverhead
from orchestrator.model.runs import Cell
from orchestrator.strategies import STRATEGIES
from orchestrator.strategies.base import Strategy, make_strategy
from worker.contract import Task
from worker.payloads.redis import connect

PAYLOAD_BYTES: Final = 1_920_000  # of one 800x800 picture
NOOPS: Final = 100
WARM_UPS: Final = 10
BATCH: Final = 200  # no-ops on all slots at once
BATCHES: Final = 3  # of which the median counts, after one that warms up


def preflight(fleet: Fleet | None) -> Preflight:
    """Measure the least that a distributed task costs; without a fleet, the timer alone."""
    resolution = timer_resolution_s()
    if fleet is None:
        return Preflight(resolution)
    with fleet.client() as client:
        rtt = _typical(client.ping, 50)
    put, get = _payload_bandwidth(fleet)
    return Preflight(resolution, rtt, put, get, _noop_task_s(fleet))


def task_overheads(strategies: Mapping[Cell, Strategy], slots: int) -> tuple[TaskOverhead, ...]:
    """Time batches of no-ops on all of `slots`, for each strategy that has as many.

    Together they take a quarter of the time that they take one by one, because no slot waits for the orchestrator.
    Of cells that differ in what they are given alone, one is timed; resident data and the idiomatic style are left out.
    """
    found: list[TaskOverhead] = []
    for cell, strategy in strategies.items():
        plain = cell.data != "resident" and cell.style == "tuned" and cell.slots == slots
        kind = STRATEGIES[cell.strategy]
        if not plain or not kind.many_slots or kind.asynchronous or any(each.is_of(cell) for each in found):
            continue
        in_child = strategy.empty_task_s if isinstance(strategy, ContainedRow) else None
        task_s = empty_task_s(strategy) if in_child is None else in_child()
        if task_s is not None:
            found.append(TaskOverhead(cell.strategy, slots, cell.transport, cell.chunk, cell.pool, task_s))
    return tuple(found)


def empty_task_s(strategy: Strategy) -> float:
    """Return what a task that does nothing costs, in seconds of a slot."""
    tasks = [Task(index, "diagnostics", "noop", "") for index in range(BATCH)]
    times = [_batch_s(strategy, tasks) for _ in range(1 + BATCHES)]
    return statistics.median(times[1:]) * strategy.slots / BATCH


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
        put_s = _typical(lambda: client.set(key, payload, ex=60), 10)
        get_s = _typical(lambda: client.get(key), 10)
        client.unlink(key)
    return PAYLOAD_BYTES / put_s, PAYLOAD_BYTES / get_s


def _noop_task_s(fleet: Fleet) -> float:
    name = next(name for name, kind in STRATEGIES.items() if kind.distributed)
    slots = min(worker.slots for worker in fleet.workers)
    cell = Cell("diagnostics", "noop", name, slots, next(iter(STRATEGIES[name].transports)), 1, "local")
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
