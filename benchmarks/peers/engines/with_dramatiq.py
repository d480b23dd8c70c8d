"""dramatiq: two processes with one thread each, and results in Redis."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from marks import busy, mark

SETTINGS = "2 processes of 1 thread; results middleware, which waits by a blocking pop"
COMMANDS = [["dramatiq", "with_dramatiq", "--processes", "2", "--threads", "1"]]

broker = RedisBroker(url=os.environ["BENCH_URL"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCH_URL"])))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(number: int) -> int:
    """Write the number down."""
    mark(number)
    return number


@dramatiq.actor(store_results=True)
def spin(number: int, seconds: float) -> int:
    """Compute for so many seconds."""
    return busy(number, seconds)


def noops(count: int) -> list[int]:
    """Send empty tasks and wait for all."""
    return _all(noop, count)


def spins(count: int, seconds: float) -> list[int]:
    """Send tasks of so many seconds and wait for all."""
    return _all(spin, count, seconds)


def _all(actor: Any, count: int, *more: float) -> list[int]:
    messages = [actor.send(number, *more) for number in range(count)]
    return [message.get_result(block=True, timeout=60_000) for message in messages]
