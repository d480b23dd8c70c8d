"""Celery: one worker with two processes, otherwise default settings."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery
from marks import mark

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
    results = [task.delay(number) for number in range(count)]
    return [result.get(timeout=60) for result in results]
