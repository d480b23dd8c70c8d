"""What the harness costs: each in-process strategy under the product's clock, against a bare loop.

    python benchmarks/harness.py [--quick] [--update-docs] [--rows FILE]

Held against each other, in turns, in a fresh order each round, on two slots unless it says otherwise (serial: one):

- serial: a plain `for` loop that calls the kernel;
- threads: a hand-written pool of as many threads that take payloads from one shared iterator;
- processes: as many warm processes. The orchestrator copies to each its half of the pictures, into shared memory,
  and says so with one byte; they do a plain loop, leave the gray ones in shared memory and answer with one byte.
  Once with two slots, so that on two processors the orchestrator has none to itself, and once with one.
- *nothing crosses*: processes that hold the pictures from the start and keep the gray ones, so that nothing crosses
  at all, which no pool can have. No goal: what is more than above is the price of another core's cache.

The product's side is `measure` with the strategy, as a run has it: every task's wall and CPU time is taken,
every output kept and checked (off the clock). The kernels: `loop` is pure Python and holds the GIL, `numpy` lets it
go. Goal: at most 1 % more than the bare loop.

A Python loop takes some percent more or less by where its objects happen to lie, as long as its process lives. So all
of this is done again and again, each time in a fresh interpreter with fresh slots, laid out at random on both sides
(`any_layout/sitecustomize.py`). The machine's speed changes too, in steps, so that two batches next to each other are
alike where two medians of a few are not: the ratio of a life is the project's own paired estimate over its rounds, and
the ratio of a row the same over lives.

*No kernel* is what of a makespan lies outside the kernels, divided by the tasks: the start of the batch, the way
between two tasks, the end; of the bare loop it is measured in rounds of their own, with a clock around each kernel.
*Outside* is how much more of it the harness has, as a share of the bare loop's makespan. It tells a slow kernel from a
slow harness (finding the kernel and reading the CPU clock once count as kernel), and is small, so that other work on
the machine changes it by little where it changes the ratio by percents.

The second table is CPU time, of this process and its children together, which other work on the machine
changes less: what an empty task costs more than in the bare loop, as a share of a task of 1 ms. (The system counts
a child's CPU time in steps of 10 ms, which is too coarse for a few dozen tasks of real work.)
Takes about a quarter of an hour on two cores, with --quick three minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from harness_life import EMPTY, SLOTS, UNCROSSED, Figures
from page import Page, parser
from rows import Goal, Row, write

from orchestrator.analysis.estimates import ratio
from orchestrator.judgements import Estimate
from orchestrator.reports.figures import seconds as shown

LIVES, QUICK_LIVES = 16, 5
ROUNDS, QUICK_ROUNDS = 9, 1
"""Rounds in a life, beside one to warm up."""

LIFE_S = 300.0
"""No life takes so long."""

ALLOWED = 1.01
HERE = Path(__file__).parent

Lives = Sequence[Figures]


def live(rounds: int) -> list[Figures]:
    """A fresh interpreter's figures, a row each."""
    path = os.pathsep.join([str(HERE / "any_layout"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, str(HERE / "harness_life.py"), str(rounds)],
        env={**os.environ, "PYTHONPATH": path, "BREAKEVEN_ANY_LAYOUT": "1"},
        stdout=subprocess.PIPE,
        timeout=LIFE_S,
        check=True,
    )
    return [Figures(**row) for row in json.loads(done.stdout)]


def by_row(lives: Sequence[Sequence[Figures]]) -> dict[tuple[str, str], Lives]:
    """Strategy and work to what each life has of them, in the order of a life."""
    return {(rows[0].strategy, rows[0].work): rows for rows in zip(*lives, strict=True)}


def compared(lives: Lives) -> Estimate:
    """The harness's makespan over the bare loop's: each life's own paired estimate is one of the pairs."""
    found = ratio(
        {number: each.ours_of_bare for number, each in enumerate(lives)},
        {number: 1.0 for number, _ in enumerate(lives)},
    )
    assert found is not None
    return found


def say_work(page: Page, found: Mapping[tuple[str, str], Lives]) -> list[Row]:
    """Print the table of real work, and give its rows."""
    page.head(
        "strategy",
        "work",
        "tasks",
        "a task",
        "bare loop",
        "harness / bare",
        "95 % interval",
        "no kernel, a task: bare",
        "harness",
        "outside",
    )
    rows = []
    for (strategy, work), lives in found.items():
        times, seconds = compared(lives), median(each.bare_s for each in lives)
        rows.append(
            Row(
                f"harness, {strategy}, {work}",
                "the same work in a bare loop",
                shown(seconds * times.point),
                shown(seconds),
                times,
                "of the time",
                None if strategy == UNCROSSED else Goal("at most", ALLOWED),
            )
        )
        slots = SLOTS if strategy in ("threads", "processes") else 1
        parallel = 1 if (strategy, work.split()[0]) == ("threads", "loop") else slots
        page.row(
            strategy,
            work,
            str(lives[0].tasks),
            f"{1e3 * seconds * parallel / lives[0].tasks:.2f} ms",
            f"{1e3 * seconds:.1f} ms",
            f"{times.point:.4f}",
            f"{times.low:.4f} to {times.high:.4f}",
            *rests_of(lives),
        )
    return rows


def rests_of(lives: Lives) -> tuple[str, str, str]:
    """What no kernel took, a task, bare and in the harness; and how much more that is, of the bare makespan."""
    both = [
        (each.bare_rest_s, each.ours_rest_s, each.bare_s)
        for each in lives
        if each.bare_rest_s is not None and each.ours_rest_s is not None
    ]
    if not both:
        return "-", "-", "-"
    tasks = lives[0].tasks
    bare, ours = (median(figures[side] for figures in both) / tasks for side in (0, 1))
    more = median((ours_s - bare_s) / makespan_s for bare_s, ours_s, makespan_s in both)
    return f"{1e6 * bare:.0f} us", f"{1e6 * ours:.0f} us", f"{more:.2%}"


def say_cpu(page: Page, found: Mapping[tuple[str, str], Lives]) -> None:
    """Print what a task costs more."""
    page.say()
    page.head("strategy", "work", "CPU a task, bare", "harness", "more", "of 1 ms")
    for (strategy, work), lives in found.items():
        bare, ours = median(each.bare_cpu_s for each in lives), median(each.ours_cpu_s for each in lives)
        more = median(each.ours_cpu_s - each.bare_cpu_s for each in lives)
        figures = (f"{1e6 * value:.1f} us" for value in (bare, ours, more))
        page.row(strategy, work, *figures, f"{more / 1e-3:.2%}")


def of_work(
    found: Mapping[tuple[str, str], Lives], holds: Callable[[str], bool]
) -> Mapping[tuple[str, str], Lives]:
    """The rows whose work is such."""
    return {key: lives for key, lives in found.items() if holds(key[1])}


def main() -> int:
    """Print both tables; 1 if a strategy costs more than it may."""
    asked = parser(__doc__)
    asked.add_argument("--rows", type=Path, metavar="FILE", help="also write the dearest's row to this file")
    options = asked.parse_args()
    lives, rounds = (QUICK_LIVES, QUICK_ROUNDS) if options.quick else (LIVES, ROUNDS)
    page = Page("harness", options)
    all_ = []
    for number in range(lives):
        print(f"life {number + 1} of {lives}", file=sys.stderr, flush=True)
        all_.append(live(rounds))
    found = by_row(all_)
    judged = [
        row for row in say_work(page, of_work(found, lambda work: work != EMPTY)) if row.goal is not None
    ]
    dearest = max(judged, key=lambda row: row.missed_by)
    say_cpu(page, of_work(found, lambda work: work == EMPTY))
    if options.rows is not None:
        command = f"python benchmarks/harness.py{' --quick' if options.quick else ''}"
        write([replace(dearest, note="the dearest of all", command=command)], options.rows)
    return page.verdict(
        dearest.missed_by <= 1, decided([row.ratio for row in judged if row.ratio is not None])
    )


def decided(ratios: Sequence[Estimate]) -> str:
    """What the intervals say of the goal: those that hold the limit decide nothing."""
    less = sum(ratio.high is not None and ratio.high <= ALLOWED for ratio in ratios)
    more = sum(ratio.low is not None and ratio.low > ALLOWED for ratio in ratios)
    dearest = max(ratio.point for ratio in ratios)
    return (
        f"the dearest takes {dearest:.4f} times as long as its bare loop (at most {ALLOWED:.2f}); of {len(ratios)} "
        f"rows {more} surely take more than that and {less} surely less; the intervals of the others decide nothing."
    )


if __name__ == "__main__":
    sys.exit(main())
