"""Every task writes its number to a file, which shows tasks that never ran, or ran twice."""

from __future__ import annotations

import os
from functools import cache


def mark(number: int) -> None:
    """Append the number in one short write, which no other process can split."""
    os.write(_file(), b"%d\n" % number)


@cache
def _file() -> int:
    return os.open(os.environ["BENCH_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
