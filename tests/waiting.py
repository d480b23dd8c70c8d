"""Waiting for what must come, without a guess at how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_S = 30.0


def until(true: Callable[[], object], what: str = "it", within_s: float = LONGEST_S) -> None:
    """Return as soon as `true` is; fail after `within_s` seconds, naming `what` did not come."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.01)
