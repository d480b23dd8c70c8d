"""Celery: one worker with two processes, otherwise default settings."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from marks import busy, mark

SETTINGS = "one worker, prefork pool of 2; four tasks fetched ahead and acknowledged early, as is the default"
COMMANDS = [["celery", "-A", "with_celery", "worker", "--concurrency", "2", "--loglevel", "WARNING"]]

URL = os.environ["BENCH_URL"].replace("unix://", "redis+socket://", 1)
app = Celery("bench", broker=URL, backend=URL)


@app.task
def noop(number: int) -> int:
    """Write the number down."""
    mark(number)
    return number


@app.task
def spin(number: int, seconds: float) -> int:
    """Compute for so many seconds."""
    return busy(number, seconds)


@app.task(ignore_result=True)
def silent(number: int) -> None:
    """Write the number down, and keep no result."""
    mark(number)


def noops(count: int) -> list[int]:
    """Send empty tasks and wait for all."""
    return _all(noop, count)


def spins(count: int, seconds: float) -> list[int]:
    """Send tasks of so many seconds and wait for all."""
    return _all(spin, count, seconds)


def sends(count: int) -> list[int]:
    """Send tasks without results and wait for none; return their numbers."""
    for number in range(count):
        silent.delay(number)
    return list(range(count))


def _all(task: Any, count: int, *more: float) -> list[int]:
    results = [task.delay(number, *more) for number in range(count)]
    return [result.get(timeout=60) for result in results]
