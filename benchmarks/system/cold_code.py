"""What a piece of the harness costs between two kernels, and what in a row.

    python benchmarks/system/cold_code.py [--quick] [--update-docs]

While a kernel runs, the processor's caches lose what the kernel does not use. So each piece is done once after each of
some kernels, as many as a strategy keeps outcomes, and as often in a row after as many; which comes first is drawn by
lot in each round. The pieces are those that strategies could do at either place: reading the thread's CPU clock, making
an outcome, and in a slot process making the view that an order's payload is, copying an output and packing an answer.
Both ways do the same number of kernels and of pieces; the clock is read twice for each piece, and what reading it costs
in a place is measured there and taken off.

It depends on the machine, and on a shared one on who else uses its caches. Goal: a piece in a row costs no more.
Takes a minute and a half, with --quick ten seconds.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import msgpack
from orchestrator.strategies.processes.starting import anonymous_file
from worker.arena import Arena, Window, get, put

from orchestrator.inputs.synthetic import photograph
from orchestrator.phrases.numbers import seconds as shown
from worker.execution import MOST_HELD, outcome_of
from worker.stages.grayscale import loop

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

ROUNDS, QUICK_ROUNDS = 20, 2
SIDE = 60
"""Of the picture: a kernel of about 1.5 ms."""

CLOCK = "reading the clock"
Piece = Callable[[], object]


def pieces(stack: ExitStack) -> dict[str, Piece]:
    """What may be done between two kernels; `CLOCK` is nothing at all."""
    picture = photograph(1, 0, SIDE, SIDE)
    gray = loop(picture)
    arena = Arena(anonymous_file(stack))
    window = Window(os.dup(arena.fd))
    stack.callback(os.close, window.fd)
    place = put(arena, picture)
    packer = msgpack.Packer()

    def copy() -> None:
        offset, form = put(arena, gray)
        arena.free(offset, form[1])

    return {
        CLOCK: lambda: None,
        "reading the CPU clock": time.thread_time,
        "making an outcome": lambda: outcome_of(1, (gray, None, 0.001), 0.9, "host:1"),
        "making an order's view": lambda: get(window, place),
        "copying an output": copy,
        "packing an answer": lambda: packer.pack((0.001, place)),
    }


def seconds_of(piece: Piece) -> float:
    """What doing it once takes, by the clock."""
    started = time.perf_counter()
    piece()
    return time.perf_counter() - started


def between(piece: Piece, picture: object) -> list[float]:
    """Once after each kernel."""
    times = []
    for _ in range(MOST_HELD):
        loop(picture)  # type: ignore[arg-type]  # it is one
        times.append(seconds_of(piece))
    return times


def in_a_row(piece: Piece, picture: object) -> list[float]:
    """As often, after all kernels."""
    for _ in range(MOST_HELD):
        loop(picture)  # type: ignore[arg-type]  # it is one
    return [seconds_of(piece) for _ in range(MOST_HELD)]


def main() -> int:
    """Print the table; 1 if a piece costs more in a row."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options, "harness.md")
    order = random.Random()  # noqa: S311 - an order, not a secret
    picture = photograph(1, 0, SIDE, SIDE)
    with ExitStack() as stack:
        todo = pieces(stack)
        means: dict[tuple[str, str], list[float]] = {}
        for _ in range(QUICK_ROUNDS if options.quick else ROUNDS):
            turns = [(name, way) for name in todo for way in (between, in_a_row)]
            for name, way in order.sample(turns, len(turns)):
                times = way(todo[name], picture)
                means.setdefault((name, way.__name__), []).append(sum(times) / MOST_HELD)
    page.head("a piece of the harness", "between two kernels", f"{MOST_HELD} in a row", "times as much")
    worst = 0.0
    for name in todo:
        if name == CLOCK:
            continue
        cold, warm = (
            median(means[name, way.__name__]) - median(means[CLOCK, way.__name__])
            for way in (between, in_a_row)
        )
        worst = max(worst, warm / cold)
        page.row(name, shown(cold), shown(warm), f"{cold / warm:.1f}")
    return page.verdict(
        worst <= 1, f"in a row a piece costs at most {worst:.2f} of what it costs between two."
    )


if __name__ == "__main__":
    sys.exit(main())
