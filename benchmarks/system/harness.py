"""What the harness costs: each in-process strategy under the product's clock, against a bare loop.

    python benchmarks/system/harness.py [--quick] [--update-docs] [--only STRATEGY] [--rows FILE]

Held against each other, in turns, in a fresh order each round, on two slots unless it says otherwise (serial: one):

- serial: a plain `for` loop that calls the kernel;
- threads: a hand-written pool of as many threads that take payloads from one shared iterator;
- processes: as many warm processes. The orchestrator copies to each its half of the pictures, into shared memory,
  and says so with one byte; they do a plain loop, leave the gray ones in shared memory and say so with one message.
  Once with two slots, so that on two processors the orchestrator has none to itself, and once with one.

Both have a clock around each kernel. The product's side is `measure` with the strategy, as a run has it: the wall time
of each task is taken and the CPU time of some at once, every output is kept and checked (off the clock). The kernels:
`loop` is pure Python and holds the GIL, `numpy` lets it go. Each takes little more than 1 ms, for what a task costs
more is a smaller share of a longer one. Goal: at most 1 % more than the bare loop.

Two things hide one percent. *The same Python loop takes some percent more or less by where its objects happen to lie*:
so small objects are laid out at random before each batch on both sides (`any_layout/sitecustomize.py`), and all is done
again and again in fresh interpreters with fresh slots. *The machine's speed changes in steps*, on a shared one to the
half and back within a second, and for each processor by itself. So one slot and its bare process share a processor, and
the orchestrator has the others. And batches are short, about 0.1 s, and there are many: each is held against the other
side's one next to it, and the median of all pairs does not see those with a step in between. The same is judged twice:

- *makespans*;
- *parts*: what a kernel takes on average, times one and what of a makespan lies in no kernel of the busiest slot, as a
  share of what does: the start, the way between two tasks, the end. An orchestrator that puts a slot aside in a kernel
  makes that one longer. What parts do not tell is whether slots get even shares, which makespans do; and there are none
  for threads, whose kernels wait for each other: for the GIL, or for memory.

The goal is held against parts where there are any. Intervals are bootstrapped over lives.

The second table is CPU time, of this process and its children together: what an empty task costs more than in the bare
loop until its output is there, as a share of a task of 1 ms.
Takes half an hour on two cores; with --quick two minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from statistics import median

from harness_life import STRATEGIES, CpuFigures, Figures, Side

from orchestrator.analysis.stats.bootstrap import bootstrapped, resamples
from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import seconds as shown

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, command, parser
from benchmarks.shared.rows import Goal, Row, write

LIVES, QUICK_LIVES = 30, 5
ROUNDS, QUICK_ROUNDS = 24, 4
"""Rounds in a life, beside one to warm up."""

EMPTY_EVERY = 4
"""Of so many lives one also does empty tasks, whose CPU time needs no pairs."""

LIFE_S = 300.0
"""No life takes so long."""

ALLOWED = 1.01
HERE = Path(__file__).parent

Lives = Sequence[Figures]


@dataclass(frozen=True, slots=True)
class Life:
    """What `harness_life.py` prints."""

    work: Lives
    empty: Sequence[CpuFigures]


def live(rounds: int, empty: bool, only: str | None) -> Life:
    """A fresh interpreter's figures, with those of empty tasks or without; `only` is a strategy's name."""
    path = os.pathsep.join([str(HERE / "any_layout"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "harness_life.py"),
            str(rounds),
            *(["--empty"] if empty else []),
            *(["--only", only] if only else []),
        ],
        env={**os.environ, "PYTHONPATH": path, "BREAKEVEN_ANY_LAYOUT": "1"},
        stdout=subprocess.PIPE,
        timeout=LIFE_S,
        check=True,
    )
    found = json.loads(done.stdout)
    work = [
        Figures(**{**row, "ours": Side(**row["ours"]), "bare": Side(**row["bare"])}) for row in found["work"]
    ]
    return Life(work, [CpuFigures(**row) for row in found["empty"]])


def makespans(lives: Lives) -> Estimate:
    """The harness's makespan over the bare loop's."""
    return estimated(lives, lambda some: _typical(some, lambda side: side.makespans_s))


@dataclass(frozen=True, slots=True)
class Parts:
    """What of a makespan kernels take and what lies outside them; the harness's over the bare loop's."""

    kernels: Estimate
    outside: Estimate
    together: Estimate


def parts(lives: Lives) -> Parts | None:
    """The parts of what the harness costs; `None` for threads, whose kernels wait for each other."""
    if lives[0].strategy == "threads":
        return None
    return Parts(
        estimated(lives, kernels),
        estimated(lives, outside),
        estimated(lives, lambda some: kernels(some) * outside(some)),
    )


def kernels(lives: Lives) -> float:
    """A kernel of the harness's over one of the bare loop's."""
    return _typical(lives, lambda side: side.kernels_s)


def outside(lives: Lives) -> float:
    """The same of one and what lies in no kernel, as a share of what does."""
    return _typical(lives, lambda side: [1 + rest for rest in side.rests])


def _typical(lives: Lives, of: Callable[[Side], Sequence[float]]) -> float:
    """The median, over all pairs of batches, of the harness's over the bare loop's."""
    return median(
        ours / bare for life in lives for ours, bare in zip(of(life.ours), of(life.bare), strict=True)
    )


def estimated(lives: Lives, figure: Callable[[Lives], float]) -> Estimate:
    """A figure with its interval over lives."""
    drawn = [figure([lives[number] for number in some]) for some in resamples(range(len(lives)))]
    return bootstrapped(figure(lives), drawn, len(lives))


def interval(estimate: Estimate) -> str:
    """Its bounds."""
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def say_work(page: Page, found: Sequence[Lives]) -> list[Row]:
    """Print the table of real work, and give its rows."""
    page.head(
        "strategy",
        "work",
        "a kernel",
        "bare loop",
        "makespans: harness / bare",
        "95 % interval",
        "kernels",
        "95 % interval",
        "outside",
        "parts together",
        "95 % interval",
        "a task",
    )
    rows = []
    for lives in found:
        first, whole, split = lives[0], makespans(lives), parts(lives)
        bare_kernel_s = median(chain.from_iterable(each.bare.kernels_s for each in lives))
        bare_s = median(chain.from_iterable(each.bare.makespans_s for each in lives))
        judged = split.together if split else whole
        rows.append(
            Row(
                f"harness, {first.strategy}, {first.work}",
                "the same work in a bare loop",
                shown(bare_s * judged.point),
                shown(bare_s),
                judged,
                "of the time",
                Goal("at most", ALLOWED),
            )
        )
        page.row(
            first.strategy,
            f"{first.tasks} x {first.work}",
            shown(bare_kernel_s),
            shown(bare_s),
            f"{whole.point:.4f}",
            interval(whole),
            *(said(split, bare_kernel_s) if split else "-" * 6),
        )
    return rows


def said(split: Parts, bare_kernel_s: float) -> tuple[str, ...]:
    """The parts in figures, and what they come to for a task."""
    task_s = (split.together.point - 1) * bare_kernel_s
    return (
        f"{split.kernels.point:.4f}",
        interval(split.kernels),
        f"{split.outside.point:.4f}",
        f"{split.together.point:.4f}",
        interval(split.together),
        f"{1e6 * task_s:.0f} us",
    )


def say_cpu(page: Page, found: Sequence[Sequence[CpuFigures]]) -> None:
    """Print what a task costs more."""
    page.say()
    page.head("strategy", "CPU of an empty task, bare", "harness", "more", "of 1 ms")
    for lives in found:
        bare, ours = median(each.bare_s for each in lives), median(each.ours_s for each in lives)
        more = median(each.ours_s - each.bare_s for each in lives)
        figures = (f"{1e6 * value:.1f} us" for value in (bare, ours, more))
        page.row(lives[0].strategy, *figures, f"{more / 1e-3:.2%}")


def main() -> int:
    """Print both tables; 1 if a strategy costs more than it may."""
    asked = parser(__doc__)
    asked.add_argument("--rows", type=Path, metavar="FILE", help="also write the dearest's row to this file")
    asked.add_argument("--only", choices=STRATEGIES, help="one strategy's work alone, without --update-docs")
    options = asked.parse_args()
    if options.only and options.update_docs:
        asked.error("--only and --update-docs: the docs have all strategies")
    lives, rounds = (QUICK_LIVES, QUICK_ROUNDS) if options.quick else (LIVES, ROUNDS)
    page = Page(__file__, options, "harness.md")
    found = []
    for number in range(lives):
        print(f"life {number + 1} of {lives}", file=sys.stderr, flush=True)
        found.append(live(rounds, number % EMPTY_EVERY == 0 and not options.only, options.only))
    judged = say_work(page, [*zip(*(life.work for life in found), strict=True)])
    dearest = max(judged, key=lambda row: row.missed_by)
    if not options.only:
        say_cpu(page, [*zip(*(life.empty for life in found if life.empty), strict=True)])
    if options.rows is not None:
        only = f' --only "{options.only}"' if options.only else ""
        done = f"{command(__file__)}{' --quick' if options.quick else ''}{only}"
        write([replace(dearest, note="the dearest of all", command=done)], options.rows)
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
