"""huey: a consumer with two processes, and results awaited by a blocking pop."""

from __future__ import annotations

import os
import time
from typing import Any

from huey import RedisHuey
from marks import mark

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


def _all(task: Any, count: int) -> list[int]:
    results = [task(number) for number in range(count)]
    return [result.get(blocking=True, timeout=60) for result in results]
