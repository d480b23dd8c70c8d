"""Is METG right, and does its interval cover, on simulated sweeps whose curve is known?

    python benchmarks/statistics/granularity.py [--quick] [--update-docs] [--cases 1000] [--seed 2026]

A task has an overhead o that adds up, so its efficiency is t / (t + o), and METG(50 %) is 2 o. Lengths, rounds and
extra rounds are those of `breakeven --axis work`; the grid lies anywhere around o. Every sweep goes through the
functions that judge real ones. Exits with 1 if the middle of METG is off by more than 2 %, if its interval covers in
less than 93 % or more than 97 % of the sweeps, or if METG is not found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from math import exp, log
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.scaling.granularity import Granularity, WorkPoint, granularity
from orchestrator.model.runs import Cell
from orchestrator.planning.sweeps import EXTRA_ROUNDS, LONGEST, SHORTEST, SWEEP_ROUNDS

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Floats]

CELL = Cell("spin", "held", "celery", 2, "redis", 1, "local")
POINTS = 7
OVERHEAD_S = 1e-3
WITHIN = 0.02
LEAST, MOST = 0.93, 0.97
FOUND = 0.9


def lognormal(rng: np.random.Generator, rounds: int) -> Floats:
    """Return 5 % of noise."""
    return np.exp(0.05 * rng.standard_normal(rounds))


def wide(rng: np.random.Generator, rounds: int) -> Floats:
    """Return 15 % of noise."""
    return np.exp(0.15 * rng.standard_normal(rounds))


def spiky(rng: np.random.Generator, rounds: int) -> Floats:
    """Return 3 % of noise, and half as long again in one round of ten."""
    return np.exp(0.03 * rng.standard_normal(rounds)) * np.where(rng.random(rounds) < 0.1, 1.5, 1.0)


def drifting(rng: np.random.Generator, rounds: int) -> Floats:
    """Return 5 % of noise, most of which a round inherits from the one before."""
    values = np.empty(rounds)
    values[0] = rng.standard_normal()
    for index in range(1, rounds):
        values[index] = 0.3 * values[index - 1] + np.sqrt(1 - 0.3**2) * rng.standard_normal()
    return np.exp(0.05 * values)


CASES: tuple[tuple[str, Noise, float], ...] = (
    ("lognormal 5 %", lognormal, 0.5),
    ("lognormal 5 %", lognormal, 0.8),
    ("lognormal 15 %", wide, 0.5),
    ("spikes", spiky, 0.5),
    ("autocorrelation .3", drifting, 0.5),
)


def sweep(rng: np.random.Generator, noise: Noise, threshold: float) -> Granularity:
    """Return what is found in a simulated sweep, with its extra rounds."""
    step = (LONGEST / SHORTEST) ** (1 / (POINTS - 1))
    expected_s = OVERHEAD_S * threshold / (1 - threshold)
    first_s = expected_s * SHORTEST * exp(rng.uniform(-0.5, 0.5) * log(step)) * rng.uniform(0.8, 1.25)

    def measured(length_s: float, rounds: int) -> WorkPoint:
        own = length_s * noise(rng, rounds)
        slot = (length_s + OVERHEAD_S) * noise(rng, rounds)
        own_s, slot_s = (dict(enumerate(map(float, each))) for each in (own, slot))
        return WorkPoint(replace(CELL, work_s=length_s), own_s, slot_s)

    rounds = SWEEP_ROUNDS + EXTRA_ROUNDS
    every = [measured(first_s * step**index, rounds) for index in range(POINTS)]
    base = [_first(each, SWEEP_ROUNDS) for each in every]
    found = granularity(CELL, base, threshold)
    if found.bracket is None:
        return found
    again = {point.cell for point in found.bracket}
    points = [each if each.cell in again else _first(each, SWEEP_ROUNDS) for each in every]
    return granularity(CELL, points, threshold)


def _first(point: WorkPoint, rounds: int) -> WorkPoint:
    own_s = {r: each for r, each in point.own_s.items() if r < rounds}
    return replace(point, own_s=own_s, slot_s={r: each for r, each in point.slot_s.items() if r < rounds})


def main() -> int:
    """Print the table; return 0 if everything is within limits."""
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=2026)
    options = arguments.parse_args()
    page = Page(__file__, options)
    cases = 100 if options.quick else options.cases
    page.head("noise", "efficiency", "METG / truth", "covers", "half the interval", "found")
    fine = True
    for name, noise, threshold in CASES:
        rng = np.random.default_rng([options.seed, len(name), round(100 * threshold)])
        truth_s = OVERHEAD_S / (1 - threshold)
        metgs = [sweep(rng, noise, threshold).metg_s for _ in range(cases)]
        known = [
            each for each in metgs if each is not None and each.low is not None and each.high is not None
        ]
        middle = median(each.point for each in known) / truth_s
        covered = sum((each.low or 0) <= truth_s <= (each.high or 0) for each in known) / len(known)
        width = median(((each.high or 0) - (each.low or 0)) / 2 / each.point for each in known)
        chance = 2 * (covered * (1 - covered) / len(known)) ** 0.5 if options.quick else 0.0
        fine &= abs(middle - 1) <= WITHIN and LEAST - chance <= covered <= MOST + chance
        fine &= len(known) >= FOUND * cases
        page.row(
            name,
            f"{threshold:.0%}",
            f"{middle:.3f}",
            f"{covered:.1%}",
            f"{width:.1%}",
            f"{len(known) / cases:.1%}",
        )
    return page.verdict(
        fine, f"METG within {WITHIN:.0%} of the truth, and its interval covers in {LEAST:.0%} to {MOST:.0%}."
    )


if __name__ == "__main__":
    sys.exit(main())
