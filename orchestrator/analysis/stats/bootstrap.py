"""Intervals by bootstrap over rounds, for figures that no rank test has an interval for.

A round is resampled whole, because what slowed down one of its cells may have slowed down all. Few rounds make plain
percentiles too narrow; they are expanded by how much wider Student's t is than the normal, and by sqrt(n / (n - 1)).
Where rounds depend on each other, the interval is stretched about its point (`dependence.inflation`).
Source: Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015,
sec. 5.3 (expanded percentiles); Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt
from statistics import NormalDist
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.intervals import ASKED_LEVEL, FEWEST_ROUNDS
from orchestrator.model.findings import Estimate

Floats: TypeAlias = NDArray[np.float64]

RESAMPLES: Final = 1000
SEED: Final = 2015  # fixed, so that a saved run always gives the same figures


def resamples(rounds: Sequence[int], count: int = RESAMPLES, seed: int = SEED) -> list[tuple[int, ...]]:
    """Draw the rounds with replacement `count` times; return nothing below `FEWEST_ROUNDS`."""
    if len(rounds) < FEWEST_ROUNDS:
        return []
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, len(rounds), (count, len(rounds)))
    return [tuple(rounds[index] for index in row) for row in drawn]


def bootstrapped(
    point: float, drawn: Sequence[float], rounds: int, level: float = ASKED_LEVEL, wider: float = 1.0
) -> Estimate:
    """Return a figure of all rounds with the interval of its resampled values, which may be infinite.

    Too few rounds, or nothing drawn, give no interval. The interval of a positive figure becomes `wider` times as wide,
    on the logarithmic scale.
    """
    if rounds < FEWEST_ROUNDS or not len(drawn):
        return Estimate(point)
    tail = expanded_tail(rounds, level)
    low, high = np.quantile(np.asarray(drawn), [tail, 1 - tail], method="inverted_cdf")
    low, high = min(float(low), point), max(float(high), point)
    return Estimate(point, low, high, level).widened(wider) if isfinite(low) else Estimate(point)


def expanded_tail(rounds: int, level: float = ASKED_LEVEL) -> float:
    """Return the share of resamples to leave out at either end, smaller than (1 - level) / 2."""
    normal = NormalDist()
    t = _student(normal.inv_cdf((1 + level) / 2), rounds - 1)
    return normal.cdf(-sqrt(rounds / (rounds - 1)) * t)


def _student(z: float, freedom: int) -> float:
    """Return Student's quantile from the normal one; within 0.3 % from 4 degrees of freedom on.

    Source: Abramowitz & Stegun, "Handbook of Mathematical Functions", 1964, 26.7.5.
    """
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
