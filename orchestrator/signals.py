"""Ctrl-C and SIGTERM that cannot get lost.

Python raises `KeyboardInterrupt` wherever the main thread is, and where that is a finaliser it is printed and
forgotten. So the request is remembered too, and whoever goes on for long asks for it between two steps.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_requested = False


def install() -> None:
    """From now on SIGINT and SIGTERM interrupt alike."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _request)


def check() -> None:
    """Raise `KeyboardInterrupt` if one was asked for and got lost."""
    if _requested:
        raise KeyboardInterrupt


@contextmanager
def ignored() -> Iterator[None]:
    """Whoever presses Ctrl-C again meanwhile changes nothing: for what is short, and must not be lost half done."""
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
