"""The rows of docs/measurements/performance.md: our figure, a peer's or a limit, their ratio and the goal.

A script prints its rows and, with `--rows FILE`, writes them there for `performance.py`, which makes the page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.shared.page import command as command_of
from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import number

ROUNDS, QUICK_ROUNDS = 21, 5


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
    goal is for information; a row with an `error` has no figures, because its script failed.
    """

    what: str
    against: str
    ours: str = ""
    theirs: str = ""
    ratio: Estimate | None = None
    unit: str = ""
    goal: Goal | None = None
    note: str = ""
    error: str = ""
    command: str = ""

    @property
    def missed_by(self) -> float:
        """Return how many times better the figure would have to be; 0 without a goal or figure."""
        return 0.0 if self.goal is None or self.ratio is None else self.goal.missed_by(self.ratio.point)

    @property
    def verdict(self) -> str:
        """Return whether the goal was met, and whether the interval leaves that open."""
        if self.error:
            return f"**not measured**: {self.error}"
        if self.goal is None or self.ratio is None:
            return "no goal"
        ends = [end for end in (self.ratio.low, self.ratio.high) if end is not None]
        sides = {self.goal.missed_by(end) > 1 for end in ends}
        missed = self.missed_by > 1
        open_ = "" if sides <= {missed} else ", not significantly"
        return f"**missed**{open_}" if missed else f"met{open_}"


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every script with rows has."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="few rounds: shows that it works, proves nothing")
    made.add_argument("--rows", type=Path, metavar="FILE", help="also write the rows to this file, as JSON")
    return made


def rounds_of(options: argparse.Namespace) -> int:
    """Return how many rounds to measure."""
    return QUICK_ROUNDS if options.quick else ROUNDS


def finish(rows: Iterable[Row], options: argparse.Namespace, script: str) -> int:
    """Print the rows, write them if asked to, and return the exit code: 1 if a goal was missed."""
    command = f"{command_of(script)}{' --quick' if options.quick else ''}"
    found = [replace(row, command=command) for row in rows]
    print("\n".join(table(found)))
    if options.rows is not None:
        write(found, options.rows)
    return int(any(row.missed_by > 1 for row in found))


def table(rows: Sequence[Row]) -> list[str]:
    """Return the rows as Markdown."""
    lines = [
        "| what | against | ours | theirs | ratio | 95 % interval | goal | met? | command |",
        "| --- | --- | ---: | ---: | --- | ---: | --- | --- | --- |",
    ]
    for row in rows:
        point = f"{number(row.ratio.point)} {row.unit}" if row.ratio else ""
        goal = f"{row.goal.word} {row.goal.figure:g}" if row.goal else ""
        against = f"{row.against} ({row.note})" if row.note else row.against
        cells = (row.what, against, row.ours, row.theirs, point, interval(row.ratio), goal, row.verdict)
        lines.append(f"| {' | '.join(cells)} | `{row.command}` |")
    return lines


def interval(estimate: Estimate | None) -> str:
    """Return the interval; a dash if there were too few rounds for one."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{number(estimate.low)} to {number(estimate.high)}"


def write(rows: Sequence[Row], path: Path) -> None:
    """Write rows to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


def write_text(lines: Sequence[str], path: Path) -> None:
    """Write a table that has no such rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path) -> list[Row]:
    """Read rows that `write` wrote."""
    return [_row(values) for values in json.loads(path.read_text(encoding="utf-8"))]


def progress(text: str) -> None:
    """Print progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def _row(values: dict[str, Any]) -> Row:
    goal, ratio = values.pop("goal"), values.pop("ratio")
    return Row(**values, goal=goal and Goal(**goal), ratio=ratio and Estimate(**ratio))
