"""How often is a kernel slowed by a known 10 % found, measured for real?

    python benchmarks/statistics/power.py [--quick] [--update-docs]

The slow side does 11 units of work per task, the fast side 10, with the same kernel: rows of pixels for
grayscale's `loop` (8 rows of 192 per unit), blocks of pixels for its `numpy` (a unit is the kernel's own
block). Ten runs of 49 rounds, each of both sides of 5 cells, give 50 pairs. Found means that the rule of the
verdict says so. Goal: at least 45 of 50 pairs found, and none the wrong way. Takes about four minutes on two
cores, with --quick half a minute.
"""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestrator.analysis.stats.intervals import ratio
from orchestrator.analysis.verdicts.verdict import classify
from orchestrator.inputs.synthetic import photograph
from orchestrator.model.findings import Estimate, VerdictWord
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name
from worker.stages.grayscale import BLOCK_PAIRS

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import Batch, batch, entered, fleet_of, makespans

SLOTS = 2
ROUNDS = 49
MARGIN = 0.05
RUNS, QUICK_RUNS = 10, 1
NEEDED = 0.9
FAST_UNITS, SLOW_UNITS = 10, 11
TRUTH = SLOW_UNITS / FAST_UNITS
LOOP_WIDTH, LOOP_ROWS = 192, 8
NUMPY_WIDTH = 1024
NUMPY_ROWS = 2 * BLOCK_PAIRS // NUMPY_WIDTH
TASKS, PICTURES = 8, 4

CELLS = (
    Cell("grayscale", "loop", "serial", 1),
    Cell("grayscale", "loop", "threads", SLOTS),
    Cell("grayscale", "loop", "processes", SLOTS),
    Cell("grayscale", "loop", "celery", SLOTS, "redis", 4, "local"),
    Cell("grayscale", "numpy", "vectorized", 1),
)


def work(kernel: str, units: int) -> Batch:
    """Return a batch with `units` units of work per task."""
    width, rows = (LOOP_WIDTH, LOOP_ROWS) if kernel == "loop" else (NUMPY_WIDTH, NUMPY_ROWS)
    pictures = [photograph(1, index, width, rows * units) for index in range(PICTURES)]
    return batch("grayscale", kernel, [pictures[index % PICTURES] for index in range(TASKS)])


def pairs(runs: int) -> Iterator[tuple[Cell, Estimate, VerdictWord, float]]:
    """Yield the cell, ratio of slow to fast, verdict, and makespan of the fast side of every pair."""
    slow = {cell: replace(cell, replica=1) for cell in CELLS}
    every = {cell: work(cell.kernel, FAST_UNITS) for cell in CELLS}
    every |= {twin: work(twin.kernel, SLOW_UNITS) for twin in slow.values()}
    with fleet_of(SLOTS) as fleet, entered(list(every), fleet) as strategies:
        for number in range(runs):
            found = makespans(strategies, every, fleet, random.Random(number), ROUNDS)  # noqa: S311 - an order
            for cell, twin in slow.items():
                estimate = ratio(found[twin], found[cell])
                assert estimate is not None
                yield cell, estimate, classify(estimate, MARGIN), float(np.median([*found[cell].values()]))
            print(f"run {number + 1} of {runs}", file=sys.stderr, flush=True)


def main() -> int:
    """Print what was found by cell; return 1 if too few were, or one the wrong way."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=RUNS, help=f"runs of {len(CELLS)} pairs each")
    options = arguments.parse_args()
    page = Page(__file__, options)
    found = list(pairs(QUICK_RUNS if options.quick else options.runs))
    by_cell: dict[Cell, list[tuple[Estimate, VerdictWord, float]]] = defaultdict(list)
    for cell, estimate, word, seconds in found:
        by_cell[cell].append((estimate, word, seconds))
    page.head("cell", "makespan", "pairs", "found", "wrong way", "median ratio", "from", "to")
    for cell, each in by_cell.items():
        milliseconds = 1e3 * float(np.median([seconds for _, _, seconds in each]))
        page.row(f"{cell.kernel} {cell_name(cell)}", f"{milliseconds:.0f} ms", *_figures(each))
    page.row("**all**", "", *_figures([(estimate, word, seconds) for _, estimate, word, seconds in found]))
    right = sum(word == "hurts" for _, _, word, _ in found)
    wrong = sum(word == "helps" for _, _, word, _ in found)
    return page.verdict(
        right >= NEEDED * len(found) and not wrong,
        f"{right} of {len(found)} found slower (the truth is {TRUTH:.2f}; at least {NEEDED:.0%} are to be), "
        f"{wrong} called faster.",
    )


def _figures(judged: list[tuple[Estimate, VerdictWord, float]]) -> list[str]:
    points = np.array([estimate.point for estimate, _, _ in judged])
    right, wrong = (sum(word == each for _, word, _ in judged) for each in ("hurts", "helps"))
    spread = [f"{value:.3f}" for value in (np.median(points), points.min(), points.max())]
    return [str(len(judged)), str(right), str(wrong), *spread]


if __name__ == "__main__":
    sys.exit(main())
