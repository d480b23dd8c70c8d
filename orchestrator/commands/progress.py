"""Progress on standard error: a bar if that is a terminal, otherwise a line every ten seconds or so."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import ceil
from statistics import fmean
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from orchestrator.measurement.rounds import Watcher
from orchestrator.model.runs import Cell, Plan
from orchestrator.phrases.cells import in_stage
from worker.redaction import escape_control

LINE_S: Final = 10.0  # seconds between lines where a log takes them
LINES_EVERY: Final = "BREAKEVEN_PROGRESS_S"  # the variable with which another program asks for other lines
LATE_S: Final = 2.0  # seconds after which a line that is due does not wait for the next step or sample


class Lines:
    """Writes a line now and then, and every note. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._line_s = float(os.environ.get(LINES_EVERY) or LINE_S)
        self._due_at = clock() + self._line_s
        self._now = ""
        self._time_left = TimeLeft(clock)

    def planned(self, plan: Plan) -> None:
        """Take no note of it: the samples tell how many there are."""

    def step(self, what: str) -> None:
        """Write what the session does now, if a line is due."""
        self._now = what
        if self._clock() >= self._due_at:
            self._due_at = self._clock() + self._line_s
            self.note(what)

    def repeat(self, over: threading.Event) -> None:
        """Write again what takes long, until `over` is set; short samples are left alone."""
        while not over.wait(LATE_S):
            if self._now and self._clock() >= self._due_at + LATE_S:
                self.step(self._now)

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """Write how many samples are taken and the time left, if a line is due."""
        seconds = self._time_left.sample(total, cell)
        left = "" if seconds is None else f", {timedelta(seconds=ceil(seconds))} left"
        self.step(f"{done} of {total} samples{left}: {in_stage(cell)}")

    def note(self, message: str) -> None:
        """Write the message to standard error, above a bar if there is one."""
        sys.stderr.write(f"orchestrator: {escape_control(message)}\n")


class TimeLeft:
    """Estimates the time left from what each cell's own samples took: cells differ a thousandfold."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._took: dict[Cell, list[float]] = {}
        self._current: Cell | None = None
        self._since = 0.0
        self._total = 0

    def sample(self, total: int, cell: Cell) -> float | None:
        """Return the seconds left as one of `total` samples begins; `None` in the first round."""
        now = self._clock()
        if total != self._total:  # other rounds begin, of other cells
            self._took, self._current, self._total = {}, None, total
        if self._current is not None:
            self._took.setdefault(self._current, []).append(now - self._since)
        self._current, self._since = cell, now
        if cell not in self._took:
            return None
        rounds = total // len(self._took)
        # A cell's first sample warms it up, so it counts only until there is another.
        return sum((rounds - len(each)) * fmean(each[1:] or each) for each in self._took.values())


class Bar(Lines):
    """A live bar, drawn between samples only, so that drawing costs no sample any time."""

    def __init__(self, bar: Progress) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task("Starting", total=None, done="", left="")

    def step(self, what: str) -> None:
        """Show what the session does now."""
        self._bar.update(self._task, description=what, refresh=True)

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """Show the sample that begins, and the time left."""
        what = in_stage(cell)
        seconds = self._time_left.sample(total, cell)
        left = "" if seconds is None else f"{timedelta(seconds=ceil(seconds))} left"
        self._bar.update(
            self._task,
            description=f"{what:<42.42}",
            completed=done,
            total=total,
            done=f"{done} of {total} samples",
            left=left,
            refresh=True,
        )


@contextmanager
def progress() -> Iterator[Watcher]:
    """Show a bar on a terminal, and a line now and then elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        lines, over = Lines(), threading.Event()
        threading.Thread(target=lines.repeat, args=(over,), daemon=True).start()
        try:
            yield lines
        finally:
            over.set()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(None),
        TextColumn("{task.fields[done]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        yield Bar(bar)
