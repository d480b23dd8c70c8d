"""Where every task leaves its number each time it is run, so that it shows which ran never, or twice."""

from __future__ import annotations

import os
from functools import cache


def mark(number: int) -> None:
    """Write the number down: one short write at the end of a file, which no other process can cut in two."""
    os.write(_file(), b"%d\n" % number)


@cache
def _file() -> int:
    return os.open(os.environ["BENCH_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
