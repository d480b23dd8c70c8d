"""RQ: two ordinary workers, which fork for every job."""

from __future__ import annotations

import os

from marks import mark
from redis import Redis
from rq import Queue

SETTINGS = "2 ordinary workers, which fork for every job"
COMMANDS = [["rq", "worker", "--url", os.environ["BENCH_URL"], "--quiet", "bench"] for _ in range(2)]

queue = Queue("bench", connection=Redis.from_url(os.environ["BENCH_URL"]))


def noop(number: int) -> int:
    """Write the number down."""
    mark(number)
    return number


def noops(count: int) -> list[int]:
    """Send empty tasks and wait for all."""
    return _all("with_rq.noop", count)


def spins(count: int, seconds: float) -> list[int]:
    """Send tasks of so many seconds and wait for all."""
    return _all("marks.busy", count, seconds)


def _all(function: str, count: int, *more: float) -> list[int]:
    jobs = [queue.enqueue(function, number, *more) for number in range(count)]
    results = [job.latest_result(timeout=60) for job in jobs]
    return [result.return_value for result in results if result is not None]
