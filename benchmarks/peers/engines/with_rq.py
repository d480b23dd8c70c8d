"""RQ: two ordinary workers, which fork for every job."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

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


def nap(number: int) -> int:
    """Wait for ten milliseconds."""
    mark(number)
    time.sleep(0.01)
    return number


def noops(count: int) -> list[int]:
    """Send empty tasks and wait for all."""
    return _all(noop, count)


def naps(count: int) -> list[int]:
    """Send tasks of 10 ms and wait for all."""
    return _all(nap, count)


def _all(function: Callable[[int], int], count: int) -> list[int]:
    jobs = [queue.enqueue(f"with_rq.{function.__name__}", number) for number in range(count)]
    results = [job.latest_result(timeout=60) for job in jobs]
    return [result.return_value for result in results if result is not None]
