"""huey: a consumer with two processes, and results awaited by a blocking pop."""

from __future__ import annotations

import os
from typing import Any

from huey import RedisHuey
from marks import busy, mark

SETTINGS = (
    "a consumer of 2 processes, no periodic tasks; `notify_result`, without which results are polled for"
)
COMMANDS = [
    ["huey_consumer", "with_huey.huey", "--workers", "2", "--worker-type", "process", "--no-periodic"]
]

huey = RedisHuey("bench", url=os.environ["BENCH_URL"], notify_result=True)


@huey.task()
def noop(number: int) -> int:
    """Write the number down."""
    mark(number)
    return number


@huey.task()
def spin(number: int, seconds: float) -> int:
    """Compute for so many seconds."""
    return busy(number, seconds)


def noops(count: int) -> list[int]:
    """Send empty tasks and wait for all."""
    return _all(noop, count)


def spins(count: int, seconds: float) -> list[int]:
    """Send tasks of so many seconds and wait for all."""
    return _all(spin, count, seconds)


def _all(task: Any, count: int, *more: float) -> list[int]:
    results = [task(number, *more) for number in range(count)]
    return [result.get(blocking=True, timeout=60) for result in results]
