"""How often are two identical cells called different, measured for real?

    python benchmarks/statistics/pairs_alike.py [--quick] [--runs 15] [--rounds 49] [--alone] [--update-docs]

Runs of 49 rounds, each of 14 cells, each cell twice per round in one shuffled order, while a second process works
in bursts of a tenth of a second to twenty seconds, half of the time (not with --alone). Every pair goes through
the functions that judge a verdict, with the margin of 5 %. Fast kernels work on 8 pictures of 320x240, slow ones
(`loop`, `getdata`) on 4 of 128x96. "Depends" is the median rank correlation of a ratio with the next round's.
Goal: at most 2 % of the pairs called different, 4 of 200. Takes about fifteen minutes on two cores, with --quick
a minute.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np

from orchestrator.analysis.stats.dependence import autocorrelation
from orchestrator.analysis.stats.intervals import ratio
from orchestrator.analysis.verdicts.verdict import classify
from orchestrator.inputs.synthetic import encode, photograph
from orchestrator.model.findings import Estimate, VerdictWord
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.neighbour import neighbour
from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import Batch, batch, entered, fleet_of, makespans

SLOTS = 2
ROUNDS, QUICK_ROUNDS = 49, 10
MARGIN = 0.05
RUNS, QUICK_RUNS = 15, 1
ALLOWED = 0.02
DIFFERENT: tuple[VerdictWord, ...] = ("helps", "hurts")

CELLS = (
    Cell("grayscale", "loop", "serial", 1),
    Cell("grayscale", "loop", "threads", SLOTS),
    Cell("grayscale", "loop", "processes", SLOTS),
    Cell("grayscale", "loop", "celery", SLOTS, "redis", 1, "local"),
    Cell("grayscale", "numpy", "serial", 1),
    Cell("grayscale", "numpy", "threads", SLOTS),
    Cell("grayscale", "numpy", "processes", SLOTS),
    Cell("grayscale", "numpy", "vectorized", 1),
    Cell("grayscale", "numpy", "celery", SLOTS, "redis", 1, "local"),
    Cell("grayscale", "numpy", "celery", SLOTS, "inline", 4, "local"),
    Cell("decode", "getdata", "processes", SLOTS),
    Cell("decode", "getdata", "celery", SLOTS, "inline", 1, "local"),
    Cell("decode", "asarray", "serial", 1),
    Cell("decode", "asarray", "celery", SLOTS, "redis", 4, "local"),
)


def work() -> dict[tuple[str, str], Batch]:
    """Return a batch for each stage and kernel."""
    small = [photograph(1, index, 128, 96) for index in range(4)]
    large = [photograph(1, index, 320, 240) for index in range(8)]
    return {
        ("grayscale", "loop"): batch("grayscale", "loop", small),
        ("grayscale", "numpy"): batch("grayscale", "numpy", large),
        ("decode", "getdata"): batch("decode", "getdata", [encode(pixels) for pixels in small]),
        ("decode", "asarray"): batch("decode", "asarray", [encode(pixels) for pixels in large]),
    }


def pairs(runs: int, rounds: int, alone: bool) -> Iterator[tuple[Cell, Estimate, VerdictWord, float, float]]:
    """Yield the cell, ratio, verdict, median makespan and correlation of rounds of every pair."""
    batches = work()
    twins = {cell: replace(cell, replica=1) for cell in CELLS}
    every = {cell: batches[cell.stage, cell.kernel] for cell in (*CELLS, *twins.values())}
    with neighbour(not alone), fleet_of(SLOTS) as fleet, entered(list(every), fleet) as strategies:
        for number in range(runs):
            found = makespans(strategies, every, fleet, random.Random(number), rounds)  # noqa: S311 - an order
            for cell, twin in twins.items():
                estimate = ratio(found[twin], found[cell])
                assert estimate is not None
                seconds = float(np.median([*found[cell].values(), *found[twin].values()]))
                logs = [log(found[twin][each] / found[cell][each]) for each in sorted(found[cell])]
                yield cell, estimate, classify(estimate, MARGIN), seconds, autocorrelation(logs) or 0.0
            print(f"run {number + 1} of {runs}", file=sys.stderr, flush=True)


def main() -> int:
    """Print the pairs by cell and the distribution of ratios; return 1 if too many are called different."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=RUNS, help=f"runs of {len(CELLS)} pairs each")
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help="of each run")
    arguments.add_argument("--alone", action="store_true", help="without the second process")
    options = arguments.parse_args()
    runs, rounds = (QUICK_RUNS, QUICK_ROUNDS) if options.quick else (options.runs, options.rounds)
    page = Page(__file__, options)
    found = list(pairs(runs, rounds, options.alone))
    page.head(
        "cell", "makespan", "depends", "pairs", "different", "excludes 1", "ties", "median off by", "worst"
    )
    by_cell: dict[Cell, list[tuple[Estimate, VerdictWord, float, float]]] = defaultdict(list)
    for cell, *judged in found:
        by_cell[cell].append((*judged,))
    for cell, each in by_cell.items():
        seconds, depends = np.median([(seconds, depends) for _, _, seconds, depends in each], axis=0)
        name = f"{cell.stage}, {cell_name(cell, 'long')}"
        page.row(
            name, f"{1e3 * seconds:.1f} ms", f"{depends:.2f}", *_figures([(e, w) for e, w, _, _ in each])
        )
    depends = float(np.median([depends for *_, depends in found]))
    page.row(
        "**all**", "", f"{depends:.2f}", *_figures([(estimate, word) for _, estimate, word, _, _ in found])
    )
    points = np.array([estimate.point for _, estimate, *_ in found])
    page.say()
    quantiles = np.quantile(points, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    page.say(
        "Ratios of a cell to itself, at 1, 5, 25, 50, 75, 95 and 99 %: "
        + ", ".join(f"{value:.3f}" for value in quantiles)
        + "."
    )
    different = sum(word in DIFFERENT for _, _, word, _, _ in found)
    return page.verdict(
        different <= ALLOWED * len(found),
        f"{different} of {len(found)} identical pairs called different; at most {ALLOWED:.0%} may be.",
    )


def _figures(judged: list[tuple[Estimate, VerdictWord]]) -> list[str]:
    words = Counter(word for _, word in judged)
    off = np.abs([estimate.point - 1 for estimate, _ in judged])
    outside = sum(not _holds_one(estimate) for estimate, _ in judged)
    different = sum(words[word] for word in DIFFERENT)
    figures = [str(len(judged)), str(different), str(outside), str(words["ties"])]
    return [*figures, f"{np.median(off):.1%}", f"{off.max():.1%}"]


def _holds_one(estimate: Estimate) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= 1 <= estimate.high


if __name__ == "__main__":
    sys.exit(main())
