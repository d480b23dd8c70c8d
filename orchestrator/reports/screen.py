"""The console that reports are printed on: a name in square brackets, or between colons, is a name like any other."""

from __future__ import annotations

from typing import IO

from rich.console import Console


def screen(file: IO[str] | None = None, width: int | None = None, colour: bool = True) -> Console:
    """A console that takes no text for markup; on `file`, or else on standard output and as wide as that is."""
    return Console(
        file=file, width=width, no_color=not colour or None, highlight=False, markup=False, emoji=False
    )
