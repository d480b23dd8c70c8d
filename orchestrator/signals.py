"""Ctrl-C and SIGTERM that do not get lost.

Python prints and drops a `KeyboardInterrupt` in a finaliser, so long-running code checks for one between two steps."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_requested = False


def install() -> None:
    """Make SIGTERM interrupt as SIGINT does, and record both."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _request)


def check() -> None:
    """Raise `KeyboardInterrupt` if one was requested and got lost."""
    if _requested:
        raise KeyboardInterrupt


@contextmanager
def ignored() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM, for a short step that must be completed."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _request(*_: object) -> NoReturn:
    global _requested
    _requested = True
    raise KeyboardInterrupt
