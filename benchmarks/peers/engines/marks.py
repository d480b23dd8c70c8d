"""What the tasks of every engine do: write their number to a file, which shows tasks that ran never or twice."""

from __future__ import annotations

import os
import time
from functools import cache


def mark(number: int) -> None:
    """Append the number in one short write, which no other process can split."""
    os.write(_file(), b"%d\n" % number)


def busy(number: int, seconds: float) -> int:
    """Write the number down, compute for so many seconds of processor time, and return the number."""
    mark(number)
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    return number


@cache
def _file() -> int:
    return os.open(os.environ["BENCH_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
