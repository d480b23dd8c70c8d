"""Progress on standard error, and only where that is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from statistics import fmean

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from orchestrator.measurement.rounds import Watcher
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name


class Silent:
    """Tells nobody."""

    def step(self, what: str) -> None:
        """Say nothing."""

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """Say nothing."""


class TimeLeft:
    """How long the rounds to come will take, each cell's by what its own took: cells differ a thousandfold."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was taken yet; `clock` gives seconds."""
        self._clock = clock
        self._took: dict[Cell, list[float]] = {}
        self._current: Cell | None = None
        self._since = 0.0

    def sample(self, total: int, cell: Cell) -> float | None:
        """Seconds left now that a sample of `cell` begins, one of `total`; `None` in the first round.

        A round holds every cell once, so a cell that comes again says that all of them are known.
        """
        now = self._clock()
        if self._current is not None:
            self._took.setdefault(self._current, []).append(now - self._since)
        self._current, self._since = cell, now
        if cell not in self._took:
            return None
        rounds = total // len(self._took)
        # A cell's first sample warms it up, so it counts only until there is another.
        return sum((rounds - len(each)) * fmean(each[1:] or each) for each in self._took.values())


class Bar:
    """A live bar. It is drawn between samples only, so that drawing costs no sample anything."""

    def __init__(self, bar: Progress) -> None:
        """Draw on `bar`, which does not refresh by itself."""
        self._bar = bar
        self._task = bar.add_task("Starting", total=None, left="")
        self._time_left = TimeLeft()

    def step(self, what: str) -> None:
        """Something else begins."""
        self._bar.update(self._task, description=what, refresh=True)

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """A sample is about to be taken."""
        what = f"{cell.stage}, {cell_name(cell, 'long')}"
        seconds = self._time_left.sample(total, cell)
        left = "" if seconds is None else f"{timedelta(seconds=ceil(seconds))} left"
        self._bar.update(
            self._task, description=f"{what:<42.42}", completed=done, total=total, left=left, refresh=True
        )


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
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        yield Bar(bar)
