"""What disturbs a measurement here, and for how long?

    python benchmarks/statistics/disturbance.py [--quick] [--rounds 400] [--update-docs]

Two identical cells and a third kernel between them, two batches of each in a row, round after round in shuffled
order. For each cell: how much a makespan varies (1.4826 x MAD of its logarithm), the rank correlation of two
batches in a row and of two that are a round apart, and for the two identical cells the half width of the
interval over 40 rounds, by signed ranks and by signs. No goal: it describes the machine. Takes about seven
minutes on two cores, with --quick two.
"""

from __future__ import annotations

import gc
import random
import sys
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats import exact_tests
from orchestrator.analysis.stats.intervals import critical_value
from orchestrator.inputs.synthetic import photograph
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.measurement.rounds import shuffled
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import batch, entered, fleet_of

SLOTS = 2
ROUNDS, QUICK_ROUNDS = 400, 40
WINDOW = 40

CELLS = (
    Cell("grayscale", "loop", "serial", 1),
    Cell("grayscale", "loop", "threads", SLOTS),
    Cell("grayscale", "loop", "processes", SLOTS),
    Cell("grayscale", "loop", "celery", SLOTS, "redis", 4, "local"),
)

Logs = NDArray[np.float64]


def logarithms(rounds: int) -> dict[Cell, Logs]:
    """Return the logarithms of makespans of each cell and its twin, of shape (rounds, 2 in a row)."""
    work = batch("grayscale", "loop", [photograph(1, index, 128, 64) for index in range(8)])
    every = [replace(cell, replica=replica) for cell in CELLS for replica in (0, 1)]
    found: dict[Cell, list[list[float]]] = {cell: [] for cell in every}
    order = random.Random(1)  # noqa: S311 - an order that can be had again, not a secret
    with fleet_of(SLOTS) as fleet, entered(every, fleet) as strategies:
        gc.collect()
        gc.freeze()
        for number in range(rounds):
            fleet.measure_clock_offsets()
            for cell in shuffled(every, order):
                place = SamplePosition(number, 0, 0.0)
                two = [measure(strategies[cell], work.tasks, work.expected, place)[0] for _ in range(2)]
                found[cell].append([log(sample.makespan_s) for sample in two])
    return {cell: np.array(values) for cell, values in found.items()}


def spread(values: Logs) -> float:
    """Return a standard deviation that outliers do not change."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation; measured times have no ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def half_widths(differences: Logs) -> tuple[float, float]:
    """Return the median half width over all windows, by signed ranks and by signs."""
    first, second = np.triu_indices(WINDOW)
    ranks, _ = critical_value(exact_tests.signed_rank(WINDOW))
    signs, _ = critical_value(exact_tests.signs(WINDOW))
    found = []
    for start in range(0, len(differences) - WINDOW + 1, WINDOW // 2):
        values = np.sort(differences[start : start + WINDOW])
        means = np.sort((values[first] + values[second]) / 2)
        found.append((means[-1 - ranks] - means[ranks], values[-1 - signs] - values[signs]))
    by_ranks, by_signs = np.median(found, axis=0) / 2
    return float(by_ranks), float(by_signs)


def main() -> int:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help=f"at least {WINDOW}")
    options = arguments.parse_args()
    page = Page(__file__, options)
    found = logarithms(QUICK_ROUNDS if options.quick else options.rounds)
    page.head("cell", "makespan", "varies", "in a row", "a round apart", "signed ranks", "signs")
    for cell in CELLS:
        logs, twin = found[cell], found[replace(cell, replica=1)]
        in_a_row = rank_correlation(logs[:, 0], logs[:, 1])
        apart = rank_correlation(logs[1:, 0], logs[:-1, 0])
        by_ranks, by_signs = half_widths(twin[:, 0] - logs[:, 0])
        page.row(
            f"{cell.kernel} {cell_name(cell)}",
            f"{1e3 * float(np.exp(np.median(logs))):.0f} ms",
            f"{spread(logs[:, 0]):.1%}",
            f"{in_a_row:.2f}",
            f"{apart:.2f}",
            f"±{by_ranks:.1%}",
            f"±{by_signs:.1%}",
        )
    return page.end()


if __name__ == "__main__":
    sys.exit(main())
