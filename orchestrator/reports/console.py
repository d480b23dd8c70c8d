"""The console that reports are printed on: text in square brackets or between colons is not markup."""

from __future__ import annotations

from typing import IO, Final

from rich.console import Console

MIN_WIDTH: Final = 80  # columns that a table needs; a narrower terminal breaks its lines


def screen(file: IO[str] | None = None, width: int | None = None, colour: bool = True) -> Console:
    """Return a console for `file`, or standard output: `width` columns wide, or as the terminal."""
    console = Console(
        file=file, width=width, no_color=not colour or None, highlight=False, markup=False, emoji=False
    )
    if width is None:
        console.width = max(console.width, MIN_WIDTH)
    return console
