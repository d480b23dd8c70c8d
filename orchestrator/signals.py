"""Ctrl-C, SIGTERM and SIGHUP that do not get lost.

Python prints and drops a `KeyboardInterrupt` in a finaliser, so long-running code checks for one between two steps."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

INTERRUPTING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_requested = False
_deferred = False


def install() -> None:
    """Make SIGTERM and SIGHUP interrupt as SIGINT does, and record them; `nohup` has SIGHUP ignored."""
    for number in INTERRUPTING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _request)


def check() -> None:
    """Raise `KeyboardInterrupt` if one was requested and got lost."""
    if _requested:
        raise KeyboardInterrupt


@contextmanager
def deferred() -> Iterator[None]:
    """Leave an interrupt to the next `check`, for a short step that must be completed."""
    global _deferred
    _deferred = True
    try:
        yield
    finally:
        _deferred = False


@contextmanager
def ignored() -> Iterator[None]:
    """Ignore these signals, for a short step that must be completed."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _request(number: int, _: object) -> None:
    global _requested
    _requested = True
    if number == signal.SIGHUP:
        _leave_terminal()
    if not _deferred:
        raise KeyboardInterrupt


def _leave_terminal() -> None:
    """Drop what is written to a terminal that is gone, where each write would fail."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
