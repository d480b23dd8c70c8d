"""Points with intervals: of a cell's times, and of the ratio of two cells.

All are distribution-free and computed on logarithms, because times are positive and skewed, and a ratio is a
difference of logarithms. docs/explanation/verdicts.md has their measured coverage.
Sources: Hodges & Lehmann, "Estimates of location based on rank tests", Ann. Math. Statist. 34, 1963; Wilcoxon,
"Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945; Hollander, Wolfe & Chicken, "Nonparametric
Statistical Methods", 3rd ed., 2014, sec. 3.2, 3.3 (signed ranks), 3.5, 3.6 (signs) and 4.2, 4.3 (unpaired).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import exp, log
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats import exact_tests
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult

Floats: TypeAlias = NDArray[np.float64]

ASKED_LEVEL: Final = 0.95  # intervals come as close to this level as their number of rounds allows
CLEARANCE: Final = 0.2  # how far from 1 the interval of a difference must stay, as a share of its own width
FEWEST_ROUNDS: Final = 5  # fewer give no interval: at 4 even the widest one covers only 87.5 %

# Below this many rounds the point is Hodges and Lehmann's pseudo-median, and the interval is the ordered Walsh
# averages that Wilcoxon's signed-rank test does not reject. Its level is exact if logarithms lie symmetrically about
# their centre, as paired log-ratios of cells with equal noise do because the order of cells is shuffled.
# From here on the point is the median, and the interval is the ordered values that the sign test does not reject.
# That needs no symmetry. Few rounds give the sign test too few levels to choose from, but with many its interval is
# 59 to 87 % as wide where a shared machine disturbs many of the rounds.
MANY_ROUNDS: Final = 17


def estimate(values: Sequence[float]) -> Estimate | None:
    """Return the middle of positive values, one a round, with its interval; `None` of no values.

    Below `FEWEST_ROUNDS` values there is no interval.
    """
    if not values:
        return None
    enough = len(values) >= FEWEST_ROUNDS
    return _interval(walsh_averages(_logarithms(values)), rank_test(len(values)) if enough else None)


def makespan(result: CellResult) -> Estimate | None:
    """Return a cell's makespan in seconds over its rounds; `None` without a sample."""
    return estimate(list(result.makespans_s.values()))


def throughput(result: CellResult) -> Estimate | None:
    """Return the tasks a second that a cell completed, over the rounds that completed some; `None` without any."""
    return estimate([sample.throughput_per_s for sample in result.samples if sample.ok])


def ratio(numerator: Mapping[int, float], denominator: Mapping[int, float]) -> Estimate | None:
    """Return the middle of the ratios of those rounds that have both; `None` if none has."""
    return estimate([numerator[round_] / denominator[round_] for round_ in paired(numerator, denominator)])


def paired(numerator: Mapping[int, object], denominator: Mapping[int, object]) -> tuple[int, ...]:
    """Return the rounds that have both, in order."""
    return tuple(sorted(numerator.keys() & denominator.keys()))


def unpaired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Estimate | None:
    """Return how many times the denominator the numerator is, from values that are not paired.

    Hodges and Lehmann's shift between the logarithms, with Mann and Whitney's interval; `None` if a side is empty.
    """
    if not numerator or not denominator:
        return None
    enough = min(len(numerator), len(denominator)) >= FEWEST_ROUNDS
    cumulated = exact_tests.rank_sum(len(numerator), len(denominator)) if enough else None
    return _interval(np.subtract.outer(_logarithms(numerator), _logarithms(denominator)).ravel(), cumulated)


def beyond_one(ratio: Estimate, margin: float) -> int:
    """Return -1 if a ratio is significantly below 1 and by more than `margin`, 1 if above, else 0.

    Significant: the interval must not merely exclude 1, but stay clear of it by `CLEARANCE` of its own width, on the
    logarithmic scale. At 95 %, one in twenty pairs of identical cells would be called different wherever the noise
    exceeds the margin; with the clearance it is about one in a hundred from 7 rounds on, and one in fifty at 5 and 6
    (benchmarks/statistics/clearance.py). The exact test has no level that strict at 7 rounds.
    """
    if ratio.low is None or ratio.high is None:
        return 0
    clearance = CLEARANCE * log(ratio.high / ratio.low)
    if log(ratio.high) < -clearance and ratio.point < 1 / (1 + margin):
        return -1
    if log(ratio.low) > clearance and ratio.point > 1 + margin:
        return 1
    return 0


def centre(logarithms: Floats) -> float:
    """Return the point of an estimate: the median of the Walsh averages."""
    return float(np.median(walsh_averages(logarithms)))


def walsh_averages(logarithms: Floats) -> Floats:
    """Return the values whose median is the point, and whose ordered ones are the interval's ends, unordered.

    Of shape (..., rounds): below `MANY_ROUNDS` the n (n + 1) / 2 means of two values, each with itself included
    (Walsh averages), else the n values.
    """
    rounds = logarithms.shape[-1]
    if rounds >= MANY_ROUNDS:
        return logarithms
    first, second = _triangle(rounds)
    averages: Floats = (logarithms[..., first] + logarithms[..., second]) / 2
    return averages


def rank_test(rounds: int) -> Floats:
    """Return P(statistic <= k) of the test that decides which averages an interval leaves out."""
    return exact_tests.signs(rounds) if rounds >= MANY_ROUNDS else exact_tests.signed_rank(rounds)


def critical_value(cumulated: Floats) -> tuple[int, float]:
    """Return how many ordered averages to leave out at either end, and the level of what is left.

    It is the possible level closest to `ASKED_LEVEL`; of two equally close, the higher.
    """
    levels = 1 - 2 * cumulated[: max(1, len(cumulated) // 2)]
    k = int(np.argmin(np.abs(levels - ASKED_LEVEL)))
    return k, float(levels[k])


def _interval(logarithms: Floats, cumulated: Floats | None) -> Estimate:
    ordered = np.sort(logarithms)
    point = exp(float(np.median(ordered)))
    if cumulated is None:
        return Estimate(point)
    k, level = critical_value(cumulated)
    return Estimate(point, exp(float(ordered[k])), exp(float(ordered[-1 - k])), level)


def _logarithms(values: Sequence[float]) -> Floats:
    if min(values) <= 0:
        raise ValueError(f"a time is {min(values)}; only positive times can be compared")
    return np.array([log(value) for value in values])


@lru_cache(maxsize=64)
def _triangle(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(n)
