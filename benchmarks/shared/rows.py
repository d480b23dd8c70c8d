"""The rows of docs/measurements/performance.md: a figure of ours, a peer's or a limit's, their ratio, and the goal.

A script of ours prints its rows and, with `--rows FILE`, also writes them there, for `performance.py` to make
the page of. Nothing is concluded here but how far a ratio is from its goal.
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
    """At least, or at most, so many."""

    word: Literal["at least", "at most"]
    figure: float

    def missed_by(self, figure: float) -> float:
        """How many times better the figure would have to be; 1 or less where the goal is met."""
        return self.figure / figure if self.word == "at least" else figure / self.figure


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    `ratio` is the figure that the goal is about, and `unit` how it reads: "times as fast", "of the time". A row
    without a goal is told for what it is worth; one with an `error` has no figures, because its script failed.
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
        """How many times better the figure would have to be; 0 where there is no goal, or no figure."""
        return 0.0 if self.goal is None or self.ratio is None else self.goal.missed_by(self.ratio.point)

    @property
    def verdict(self) -> str:
        """Whether the goal was met, and whether the interval leaves that open."""
        if self.error:
            return f"**not measured**: {self.error}"
        if self.goal is None or self.ratio is None:
            return "no goal"
        ends = [end for end in (self.ratio.low, self.ratio.high) if end is not None]
        sides = {self.goal.missed_by(end) > 1 for end in ends}
        missed = self.missed_by > 1
        sure = "" if sides <= {missed} else ", not surely"
        return f"**missed**{sure}" if missed else f"met{sure}"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that every script with rows has."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="few rounds: shows that it works, proves nothing")
    made.add_argument("--rows", type=Path, metavar="FILE", help="also write the rows to this file, as JSON")
    return made


def rounds_of(options: argparse.Namespace) -> int:
    """How many rounds to measure."""
    return QUICK_ROUNDS if options.quick else ROUNDS


def finish(rows: Iterable[Row], options: argparse.Namespace, script: str) -> int:
    """Print the rows as they come, write them if that was asked for, and give the exit code: 1 if a goal was missed."""
    command = f"{command_of(script)}{' --quick' if options.quick else ''}"
    found = [replace(row, command=command) for row in rows]
    print("\n".join(table(found)))
    if options.rows is not None:
        write(found, options.rows)
    return int(any(row.missed_by > 1 for row in found))


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as Markdown."""
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
    """The interval alone; a dash where there were too few rounds for one."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{number(estimate.low)} to {number(estimate.high)}"


def write(rows: Sequence[Row], path: Path) -> None:
    """Keep rows in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


def write_text(lines: Sequence[str], path: Path) -> None:
    """Keep a table that has no rows of this kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path: Path) -> list[Row]:
    """Rows that `write` kept."""
    return [_row(values) for values in json.loads(path.read_text(encoding="utf-8"))]


def progress(text: str) -> None:
    """Tell a person how far it is."""
    print(text, file=sys.stderr, flush=True)


def _row(values: dict[str, Any]) -> Row:
    goal, ratio = values.pop("goal"), values.pop("ratio")
    return Row(**values, goal=goal and Goal(**goal), ratio=ratio and Estimate(**ratio))
