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

from orchestrator.analysis.stats.intervals import VERDICT_ROUNDS
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
        """Take note of the budget; the samples tell how many there are."""
        self._time_left.budget_s = plan.budget_s

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
        seconds = self._time_left.sample(done, total, cell)
        left = "" if seconds is None else f", {timedelta(seconds=ceil(seconds))} left"
        self.step(f"{done} of {total} samples{left}: {in_stage(cell)}")

    def note(self, message: str) -> None:
        """Write the message to standard error, above a bar if there is one."""
        sys.stderr.write(f"orchestrator: {escape_control(message)}\n")


class TimeLeft:
    """Estimates the time left from what each cell's own samples took: cells differ a thousandfold.

    `budget_s` is the time from the first sample on after which no round begins, unless a verdict needs it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget_s: float | None = None
        self._began: float | None = None
        self._clock = clock
        self._took: dict[Cell, list[float]] = {}
        self._current: Cell | None = None
        self._since = 0.0

    def sample(self, done: int, total: int, cell: Cell) -> float | None:
        """Return the seconds left as a sample begins after `done` of `total`; `None` in the first round."""
        now = self._clock()
        if self._began is None:
            self._began = now
        if done == 0:  # other rounds begin, perhaps of other cells
            self._took, self._current = {}, None
        if self._current is not None:
            self._took.setdefault(self._current, []).append(now - self._since)
        self._current, self._since = cell, now
        if cell not in self._took:
            return None
        left_s = self._until(total // len(self._took))
        if self.budget_s is None:
            return left_s
        return min(left_s, max(self._began + self.budget_s - now, self._until(VERDICT_ROUNDS)))

    def _until(self, rounds: int) -> float:
        # A cell's first sample warms it up, so it counts only until there is another.
        return sum(max(0, rounds - len(each)) * fmean(each[1:] or each) for each in self._took.values())


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
        seconds = self._time_left.sample(done, total, cell)
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
