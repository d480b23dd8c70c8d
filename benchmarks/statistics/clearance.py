"""How often are two equal cells called different, and what does the clearance change?

    python benchmarks/statistics/clearance.py [--quick] [--cases 20000] [--seed 2026] [--update-docs]

Two cells of one speed whose noise exceeds the margin go through `estimate` and `classify`, like the rounds of a
verdict. "Excludes 1" is what the interval alone would call different. The last column has cells that truly
differ, by four standard errors: how often they are called different. Exits with 1 if equal cells are called
different in more than 1.5 % of the cases. Takes two minutes, with --quick ten seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import exp, log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.intervals import estimate
from orchestrator.analysis.verdicts.verdict import classify
from orchestrator.model.findings import Estimate

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

ROUNDS = (7, 8, 10, 14, 17, 20, 49)
MARGIN = 0.05
LIMIT = 0.015
APART = 4.0
NOISE = 0.2


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return 20 % of noise."""
    return NOISE * rng.standard_normal(shape)


def student(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return logarithms with Student's t of 2 degrees of freedom, which has no variance."""
    return NOISE * rng.standard_t(2, shape)


def outliers(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return 20 % of noise, where one sample in ten takes three times as long."""
    return lognormal(rng, shape) + log(3) * (rng.random(shape) < 0.1)


def ratios(
    noise: Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]],
    rounds: int,
    truth: float,
    cases: int,
    rng: np.random.Generator,
) -> list[Estimate]:
    """Return estimated ratios of two cells with this noise, the first `truth` times as slow."""
    logarithms = log(truth) + noise(rng, (cases, rounds)) - noise(rng, (cases, rounds))
    return [found for each in np.exp(logarithms) if (found := estimate(list(each))) is not None]


def different(found: list[Estimate]) -> float:
    """Return the share that a verdict calls different."""
    return sum(classify(each, MARGIN) in ("helps", "hurts") for each in found) / len(found)


def excludes_one(found: list[Estimate]) -> float:
    """Return the share whose interval excludes 1."""
    return sum(not (each.low or 0.0) <= 1 <= (each.high or 0.0) for each in found) / len(found)


def main() -> int:
    """Print the table; return 1 if equal cells are called different too often."""
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=int, default=20_000, help="simulated pairs a figure")
    arguments.add_argument("--seed", type=int, default=2026)
    options = arguments.parse_args()
    cases = 2000 if options.quick else options.cases
    page = Page(__file__, options)
    page.head("noise", "rounds", "level", "equal: excludes 1", "equal: called different", "apart: called so")
    within = True
    for noise in (lognormal, student, outliers):
        for rounds in ROUNDS:
            rng = np.random.default_rng([options.seed, rounds, *noise.__name__.encode()])
            equal = ratios(noise, rounds, 1.0, cases, rng)
            apart = ratios(noise, rounds, exp(APART * sqrt(2 / rounds) * NOISE), cases // 4, rng)
            called = different(equal)
            within &= called <= LIMIT
            shares = (equal[0].level or 0.0, excludes_one(equal), called, different(apart))
            page.row(noise.__name__, str(rounds), *(f"{100 * share:.1f} %" for share in shares))
    page.say()
    error = 100 * sqrt(LIMIT * (1 - LIMIT) / cases)
    page.say(f"{cases} pairs a figure; binomial standard error of the last but one column {error:.2f} %")
    return page.verdict(
        within,
        "equal cells are called different in at most 1.5 % of the cases.",
    )


if __name__ == "__main__":
    sys.exit(main())
