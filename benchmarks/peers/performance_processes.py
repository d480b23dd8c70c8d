"""The strategy `processes` against `ProcessPoolExecutor.map` with pickled arrays.

    python benchmarks/peers/performance_processes.py [--quick] [--rows FILE]

Both pools are spawned, have two slots, are warm and run the same kernels; 21 rounds, each with every side once
in a fresh order. Ours runs under the product's clock, every task timed and every output checked. `map` is
called as it comes, one array a message, and once with a chunk size that gives each slot four messages, which
is more to know than a user who passes arrays has to.

Takes a minute, with --quick twenty seconds.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestrator.phrases.numbers import seconds as shown
from orchestrator.strategies.processes import Processes
from worker.allocator import keep_freed_memory
from worker.contract import Pixels
from worker.stages import grayscale

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.celery_sides import measured
from benchmarks.shared.real_rounds import batch
from benchmarks.shared.rows import Goal, Row, finish, parser, progress, rounds_of
from benchmarks.shared.turns import stopwatch, turns, typical, versus

SLOTS = 2


@dataclass(frozen=True)
class Case:
    """A batch: `count` pictures of `side` x `side` for a kernel, and how much faster ours should be."""

    name: str
    kernel: str
    side: int
    count: int
    goal: float

    @property
    def pictures(self) -> list[Pixels]:
        """Noise."""
        noise, shape = np.random.default_rng(0), (self.side, self.side, 3)
        return [noise.integers(0, 256, shape, dtype=np.uint8) for _ in range(self.count)]


CASES = (
    Case("1.9 MB in, 0.64 MB out", "numpy", 800, 20, 2.0),
    Case("7 kB in, 1 ms of Python", "loop", 48, 100, 1.0),
    Case("12 bytes in, no work", "numpy", 2, 1000, 1.0),
)
FUNCTIONS: Mapping[str, Callable[[Pixels], Pixels]] = {"numpy": grayscale.numpy, "loop": grayscale.loop}


def rows(case: Case, ours: Processes, executor: ProcessPoolExecutor, rounds: int) -> Iterator[Row]:
    """One case, against `map` in both ways."""
    pictures, function = case.pictures, FUNCTIONS[case.kernel]
    chunk = max(1, case.count // (4 * SLOTS))
    found = turns(
        {
            "ours": measured(ours, batch("grayscale", case.kernel, pictures)),
            "map": stopwatch(lambda: list(executor.map(function, pictures))),
            "chunks": stopwatch(lambda: list(executor.map(function, pictures, chunksize=chunk))),
        },
        rounds,
    )
    for against, name, goal in (
        ("`ProcessPoolExecutor.map`", "map", Goal("at least", case.goal)),
        (f"the same with chunksize={chunk}", "chunks", None),
    ):
        yield Row(
            f"`processes`, {case.name}",
            against,
            f"{shown(typical(found['ours']) / case.count)} a task",
            f"{shown(typical(found[name]) / case.count)} a task",
            versus(found[name], found["ours"]),
            "times as fast",
            goal,
        )


def main() -> int:
    """Print the rows; 1 if a goal was missed."""
    options = parser(__doc__).parse_args()
    keep_freed_memory()
    context = multiprocessing.get_context("spawn")
    found: list[Row] = []
    with (
        Processes(SLOTS) as ours,
        ProcessPoolExecutor(SLOTS, mp_context=context, initializer=keep_freed_memory) as executor,
    ):
        for case in CASES:
            progress(f"processes, {case.name}")
            found += rows(case, ours, executor, rounds_of(options))
    return finish(found, options, __file__)


if __name__ == "__main__":
    sys.exit(main())
