"""taskiq: two processes that do one asynchronous task at a time."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from marks import busy, mark
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

SETTINGS = (
    "2 processes, one task at a time each; list broker; results polled for every 2 ms, its default being 200"
)
COMMANDS = [["taskiq", "worker", "with_taskiq:broker", "--workers", "2", "--max-async-tasks", "1"]]

POLL_S = 0.002

backend: Any = RedisAsyncResultBackend(os.environ["BENCH_URL"])
broker = ListQueueBroker(os.environ["BENCH_URL"]).with_result_backend(backend)
loop = asyncio.new_event_loop()  # one per process: connections belong to the loop that made them


@broker.task
async def noop(number: int) -> int:
    """Only the mark."""
    mark(number)
    return number


@broker.task
async def spin(number: int, seconds: float) -> int:
    """Compute for so many seconds."""
    return busy(number, seconds)


def noops(count: int) -> list[int]:
    """Send empty tasks and wait for all."""
    return loop.run_until_complete(_all(noop, count))


def spins(count: int, seconds: float) -> list[int]:
    """Send tasks of so many seconds and wait for all."""
    return loop.run_until_complete(_all(spin, count, seconds))


async def _all(task: Any, count: int, *more: float) -> list[int]:
    sent = [await task.kiq(number, *more) for number in range(count)]
    results = [await each.wait_result(check_interval=POLL_S, timeout=60) for each in sent]
    return [result.return_value for result in results]
