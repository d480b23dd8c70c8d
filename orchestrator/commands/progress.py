"""Progress on standard error, and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrator.model import Cell
from orchestrator.rounds import Watcher


class Silent:
    """Tells nobody."""

    def step(self, what: str) -> None:
        """Say nothing."""

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """Say nothing."""


class Bar:
    """A live bar. It is drawn between samples only, so that drawing costs no sample anything."""

    def __init__(self, bar: Progress) -> None:
        """Draw on `bar`, which does not refresh by itself."""
        self._bar = bar
        self._task = bar.add_task("Starting", total=None)

    def step(self, what: str) -> None:
        """Something else begins."""
        self._bar.update(self._task, description=what, refresh=True)

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """A sample is about to be taken."""
        what = f"{cell.stage} {cell.kernel} {cell.label}"
        self._bar.update(self._task, description=f"{what:<42.42}", completed=done, total=total, refresh=True)


@contextmanager
def progress() -> Iterator[Watcher]:
    """A bar on a terminal, silence elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Silent()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        yield Bar(bar)
