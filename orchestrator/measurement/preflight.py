"""What the way costs before any work is done: the timer, the broker, the payload store, an empty task."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from orchestrator.fleet.fleet import Fleet
from orchestrator.model.environment import Preflight
from orchestrator.strategies.celery import Celery
from worker.contract import Task
from worker.payloads.redis import connect

PAYLOAD_BYTES = 1_920_000
"""One 800x800 picture."""

NOOPS = 100


def preflight(fleet: Fleet | None) -> Preflight:
    """Measure what a Celery task has to pay at least; without a fleet, the timer alone."""
    resolution = timer_resolution_s()
    if fleet is None:
        return Preflight(resolution)
    with fleet.client() as client:
        rtt = _typical(client.ping, 50)
    put, get = _payload_bandwidth(fleet)
    return Preflight(resolution, rtt, put, get, _noop_task_s(fleet))


def timer_resolution_s(clock: Callable[[], float] = time.perf_counter, steps: int = 50) -> float:
    """The smallest step that the clock was seen to take, in seconds."""
    smallest = float("inf")
    for _ in range(steps):
        first = second = clock()
        while second == first:
            second = clock()
        smallest = min(smallest, second - first)
    return smallest


def _payload_bandwidth(fleet: Fleet) -> tuple[float, float]:
    """Bytes a second into the payload store and out of it, one picture at a time."""
    key = f"{fleet.run_id}:preflight"
    payload = memoryview(bytes(PAYLOAD_BYTES))
    with connect(fleet.settings.payload_store_url, tls=fleet.settings.tls) as client:
        put_s = _typical(lambda: client.set(key, payload, ex=60), 10)
        get_s = _typical(lambda: client.get(key), 10)
        client.unlink(key)
    return PAYLOAD_BYTES / put_s, PAYLOAD_BYTES / get_s


def _noop_task_s(fleet: Fleet) -> float:
    """Seconds from sending an empty task to its answer at hand, one task at a time."""
    with Celery(min(member.slots for member in fleet.workers), fleet, "redis", 1, "local") as strategy:
        tasks = [Task(index, "diagnostics", "noop", "") for index in range(NOOPS)]

        def one_by_one(task: Task) -> None:
            strategy.prepare([task])
            for _ in strategy.run([task]):
                pass

        for task in tasks[:10]:
            one_by_one(task)
        times = []
        for task in tasks:
            strategy.prepare([task])
            started = time.perf_counter()
            for _ in strategy.run([task]):
                times.append(time.perf_counter() - started)
        return statistics.median(times)


def _typical(action: Callable[[], object], times: int) -> float:
    """Median seconds of an action, after one that is not counted."""
    action()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
