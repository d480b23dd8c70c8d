"""The console that reports are printed on: a name in square brackets, or between colons, is a name like any other."""

from __future__ import annotations

from typing import IO, Final

from rich.console import Console

NARROWEST: Final = 80
"""Columns that a table needs; a terminal that has fewer breaks its lines, which loses no figure."""


def screen(file: IO[str] | None = None, width: int | None = None, colour: bool = True) -> Console:
    """A console that takes no text for markup; on `file`, or else on standard output.

    It is as wide as that is, but no narrower than `NARROWEST`, or `width` columns.
    """
    console = Console(
        file=file, width=width, no_color=not colour or None, highlight=False, markup=False, emoji=False
    )
    if width is None:
        console.width = max(console.width, NARROWEST)
    return console
