"""dramatiq without its results middleware: the sender is not told when a task is done."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from marks import mark

SETTINGS = "no results middleware"
COMMANDS = [["dramatiq", "with_dramatiq_plain", "--processes", "2", "--threads", "1"]]

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_URL"]))


@dramatiq.actor
def silent(number: int) -> None:
    """Write the number down."""
    mark(number)


def sends(count: int) -> list[int]:
    """Send tasks and wait for none; return their numbers."""
    for number in range(count):
        silent.send(number)
    return list(range(count))
