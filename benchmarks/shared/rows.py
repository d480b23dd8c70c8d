"""The rows of docs/measurements/performance.md: our figure, a peer's or a limit, their ratio and the goal."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.shared.page import Page
from orchestrator.measurement.machine import environment
from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import number

ROUNDS, QUICK_ROUNDS = 21, 6  # an interval needs six
PEERS: Final = ("opencv-python-headless", "simplejpeg", "dramatiq", "rq", "huey", "taskiq", "taskiq-redis")


@dataclass(frozen=True, slots=True)
class Goal:
    """At least, or at most, this figure."""

    word: Literal["at least", "at most"]
    figure: float

    def missed_by(self, figure: float) -> float:
        """Return how many times better the figure would have to be; 1 or less if the goal is met."""
        return self.figure / figure if self.word == "at least" else figure / self.figure


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    `ratio` is the figure of the goal, and `unit` how it reads: "times as fast", "of the time". A row without a
    goal is for information.
    """

    what: str
    against: str
    ours: str = ""
    theirs: str = ""
    ratio: Estimate | None = None
    unit: str = ""
    goal: Goal | None = None
    note: str = ""

    @property
    def missed_by(self) -> float:
        """Return how many times better the figure would have to be; 0 without a goal or figure."""
        return 0.0 if self.goal is None or self.ratio is None else self.goal.missed_by(self.ratio.point)

    @property
    def verdict(self) -> str:
        """Return whether the goal was met, and whether the interval leaves that open."""
        if self.goal is None or self.ratio is None:
            return "no goal"
        ends = [end for end in (self.ratio.low, self.ratio.high) if end is not None]
        sides = {self.goal.missed_by(end) > 1 for end in ends}
        missed = self.missed_by > 1
        open_ = "" if sides <= {missed} else ", not significantly"
        return f"**missed**{open_}" if missed else f"met{open_}"


def rounds_of(options: argparse.Namespace) -> int:
    """Return how many rounds to measure."""
    return QUICK_ROUNDS if options.quick else ROUNDS


def finish(rows: Iterable[Row], options: argparse.Namespace, script: str) -> int:
    """Print the rows, the one that is missed most first, and return the exit code: 1 if a goal was missed."""
    found = sorted(rows, key=lambda row: -row.missed_by)
    page = Page(script, options)
    page.say("| what | against | ours | theirs | ratio | 95 % interval | goal | met? |")
    page.say("| --- | --- | ---: | ---: | --- | ---: | --- | --- |")
    for row in found:
        point = f"{number(row.ratio.point)} {row.unit}" if row.ratio else ""
        goal = f"{row.goal.word} {row.goal.figure:g}" if row.goal else ""
        against = f"{row.against} ({row.note})" if row.note else row.against
        page.row(row.what, against, row.ours, row.theirs, point, interval(row.ratio), goal, row.verdict)
    page.say()
    page.say(f"With {packages()}.")
    goals = [row for row in found if row.goal is not None]
    missed = [row for row in goals if row.missed_by > 1]
    says = f"{len(missed or goals)} of {len(goals)} goals"
    return page.verdict(not missed, f"{says}; {shortly((missed or goals)[0])}.")


def shortly(row: Row) -> str:
    """Return a row in one sentence."""
    assert row.goal is not None
    assert row.ratio is not None
    point = f"{number(row.ratio.point)} {row.unit}"
    return f"{row.what}, against {row.against}: {point} ({row.goal.word} {row.goal.figure:g})"


def packages() -> str:
    """Return the releases of the packages that the figures depend on, peers included."""
    peers = {name: importlib.metadata.version(name) for name in PEERS}
    return ", ".join(
        f"{name} {version}" for name, version in sorted((environment().packages | peers).items())
    )


def interval(estimate: Estimate | None) -> str:
    """Return the interval; a dash if there were too few rounds for one."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{number(estimate.low)} to {number(estimate.high)}"


def progress(text: str) -> None:
    """Print progress to standard error."""
    print(text, file=sys.stderr, flush=True)
