"""How often does `compare` call the same code slower, and how often does it find a slower kernel? Simulated.

    python benchmarks/statistics/same_code.py [--quick] [--pairs 10000] [--seed 2026] [--update-docs]

Simulated runs of eleven kernels in several rows each: rounds depend on each other (autocorrelation 0.5), each run has
a speed and a load of its own, which slows rows on several slots more, and each row and kernel differs a little from run
to run (Student's t with 5 degrees of freedom). Exits with 1 if more than 1 % of the pairs of the same code show a
regression. Takes twelve minutes, with --quick twenty seconds. `benchmarks/system/runs_alike.py` does the same with
real runs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.verdicts.regressions import judge
from orchestrator.model.runs import Cell

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

MARGIN = 0.05
SLOWER = 1.25
FALSE_RUNS = 0.01
STRATEGIES = ("serial", "threads", "processes", "processes shared", "celery")
CELLS = [
    Cell("grayscale", f"kernel-{kernel}", strategy, 1 if strategy == "serial" else 2)
    for kernel in range(11)
    for strategy in STRATEGIES[: 5 - kernel % 2]
]
KERNELS = np.array([int(cell.kernel.split("-")[1]) for cell in CELLS])
PARALLEL = np.array([cell.slots > 1 for cell in CELLS])
CASES: Mapping[str, Mapping[str, float]] = {
    "quiet machine": {"row": 0.02, "load": 0.02, "noise": 0.05},
    "shared machine": {"row": 0.03, "load": 0.10, "noise": 0.10},
    "loaded machine": {"row": 0.04, "load": 0.20, "noise": 0.15},
}
AUTOCORRELATION = 0.5


def simulated(
    rng: np.random.Generator, rounds: int, row: float, load: float, noise: float
) -> NDArray[np.float64]:
    """Return the log makespans of a run, of shape (rows, rounds), and of its reference loop in the last row."""
    cells = len(CELLS)
    own = row / sqrt(2) * rng.standard_t(5, cells) / sqrt(5 / 3) + 0.01 * rng.standard_normal(11)[KERNELS]
    run = 0.2 * rng.standard_normal() + abs(load * rng.standard_normal()) * np.append(1 + 0.5 * PARALLEL, 1.0)
    steps = rng.standard_normal((cells + 2, rounds))
    for number in range(1, rounds):
        steps[:, number] *= sqrt(1 - AUTOCORRELATION**2)
        steps[:, number] += AUTOCORRELATION * steps[:, number - 1]
    drift = noise * (0.6 * steps[-1] + 0.8 * steps[:-1])
    found: NDArray[np.float64] = (run + np.append(own, 0.0))[:, None] + drift
    return found


def judged(old: NDArray[np.float64], new: NDArray[np.float64]) -> tuple[bool, bool, set[str]]:
    """Return whether there is a regression, whether any change, and the kernels that became slower."""
    rounds = {cell: (list(np.exp(old[index])), list(np.exp(new[index]))) for index, cell in enumerate(CELLS)}
    found = judge(rounds, float(np.median(new[-1]) - np.median(old[-1])), MARGIN)
    words = {cell: word for cell, (_, _, word) in found.rows.items()}
    slower = {cell.kernel for cell, word in words.items() if word == "regression"}
    slower |= {each.kernel or "" for each in found.groups if each.change == "regression"}
    changed = bool(found.groups) or bool({"regression", "improvement"} & set(words.values()))
    return bool(slower), changed, slower


def main() -> int:
    """Print the tables; return 1 if the same code is called changed too often, or slower kernels are missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--pairs", type=int, default=10_000, help="simulated pairs a figure")
    arguments.add_argument("--seed", type=int, default=2026)
    options = arguments.parse_args()
    pairs = 300 if options.quick else options.pairs
    page = Page(__file__, options)
    page.head(
        "simulated", "rounds", "exit 1", "any change", "25 % slower kernel found", "and others called so"
    )
    within = True
    for case, noise in CASES.items():
        for rounds in (7, 15):
            rng = np.random.default_rng([options.seed, rounds, *case.encode()])
            same = [
                judged(simulated(rng, rounds, **noise), simulated(rng, rounds, **noise)) for _ in range(pairs)
            ]
            found = others = 0
            for _ in range(pairs // 10):
                old, new = simulated(rng, rounds, **noise), simulated(rng, rounds, **noise)
                new[:-1][KERNELS == 3] += log(SLOWER)
                slower = judged(old, new)[2]
                found += "kernel-3" in slower
                others += bool(slower - {"kernel-3"})
            regressions = sum(regression for regression, _, _ in same) / pairs
            within &= regressions <= FALSE_RUNS
            shares = (
                regressions,
                sum(each[1] for each in same) / pairs,
                *(10 * n / pairs for n in (found, others)),
            )
            page.row(case, str(rounds), *(f"{100 * share:.1f} %" for share in shares))
    page.say()
    page.say(f"{pairs} pairs a figure of the same code, {pairs // 10} with a slower kernel.")
    return page.verdict(within, "runs of the same code show a regression in at most 1 % of the pairs.")


if __name__ == "__main__":
    sys.exit(main())
