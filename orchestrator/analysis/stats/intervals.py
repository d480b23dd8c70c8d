"""Points with intervals: of a cell's times, and of the ratio of two cells.

All come from rank tests of logarithms, because times are positive and skewed, and a ratio is a difference of
logarithms; where rounds depend on each other they are wider. docs/measurements/statistics.md has their coverage.
Sources: Hodges & Lehmann, "Estimates of location based on rank tests", Ann. Math. Statist. 34, 1963; Wilcoxon,
"Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945; Hollander, Wolfe & Chicken, "Nonparametric
Statistical Methods", 3rd ed., 2014, sec. 3.2, 3.3 (signed ranks), 3.5, 3.6 (signs) and 4.2, 4.3 (unpaired).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from math import exp, expm1, inf, log, sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats import exact_tests
from orchestrator.analysis.stats.dependence import inflation, stretches
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult

Floats: TypeAlias = NDArray[np.float64]

ASKED_LEVEL: Final = (
    0.95  # intervals have the lowest level from this one on that their number of rounds allows
)
CLEARANCE: Final = 0.29  # how far from 1 the interval of a difference must stay, as a share of its own width
FEWEST_ROUNDS: Final = 6  # fewer give no interval: at 5 even the widest one covers only 93.75 %
VERDICT_ROUNDS: Final = 7  # fewer give no verdict: choosing the best of several cells takes one round

# Below this many rounds the point is Hodges and Lehmann's pseudo-median, and the interval is the ordered Walsh
# averages that Wilcoxon's signed-rank test does not reject. Its level is exact if logarithms lie symmetrically about
# their centre, as paired log-ratios of cells with equal noise do because the order of cells is shuffled.
# From here on the point is the median, and the interval is the ordered values that the sign test does not reject.
# That needs no symmetry. Few rounds give the sign test too few levels to choose from, but with many its interval is
# 59 to 87 % as wide where a shared machine disturbs many of the rounds.
MANY_ROUNDS: Final = 17


def estimate(values: Sequence[float]) -> Estimate | None:
    """Return the middle of positive values, one a round, with its interval; `None` of no values.

    Args:
        values: in the order of their rounds. Below `FEWEST_ROUNDS` of them there is no interval.

    The rank test's interval is `inflation` times as wide as for independent rounds. If the rounds change during the run
    (`stretches`), it reaches to the middles of the highest and the lowest stretch.
    """
    if not values:
        return None
    logarithms = _logarithms(values)
    independent = _interval(
        walsh_averages(logarithms), rank_test(len(values)) if len(values) >= FEWEST_ROUNDS else None
    )
    if independent.low is None or independent.high is None:
        return independent
    wide = independent.widened(inflation(logarithms))
    middles = [exp(float(np.median(logarithms[each]))) for each in stretches(logarithms)]
    return replace(wide, low=min(wide.low or inf, *middles), high=max(wide.high or 0.0, *middles))


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

    Hodges and Lehmann's shift between the logarithms, with Mann and Whitney's interval, stretched by what the rounds of
    each side show of dependence; `None` if a side is empty.

    Args:
        numerator: in the order of its rounds, as `denominator` is of its own.
        denominator: as above.
    """
    if not numerator or not denominator:
        return None
    logarithms = _logarithms(numerator), _logarithms(denominator)
    enough = min(map(len, logarithms)) >= FEWEST_ROUNDS
    cumulated = exact_tests.rank_sum(*map(len, logarithms)) if enough else None
    found = _interval(np.subtract.outer(*logarithms).ravel(), cumulated)
    # The variance of a difference is the sum of both, each that of so many effective rounds.
    effective = [len(each) / inflation(each) ** 2 for each in logarithms]
    return found.widened(sqrt(sum(1 / each for each in effective) / sum(1 / len(e) for e in logarithms)))


def beyond_one(ratio: Estimate, margin: float) -> int:
    """Return -1 if a ratio is significantly below 1 and by more than `margin`, 1 if above, else 0.

    Significant: the interval must not merely exclude 1, but stay clear of it by `CLEARANCE` of its own width, on the
    logarithmic scale. At 95 %, one in twenty pairs of identical cells would be called different wherever the noise
    exceeds the margin; with the clearance it is at most one in fifty, also where rounds depend on each other
    (benchmarks/statistics/clearance.py, coverage.py). The exact test has no level that strict at 7 rounds.
    """
    if ratio.low is None or ratio.high is None:
        return 0
    clearance = CLEARANCE * log(ratio.high / ratio.low)
    if log(ratio.high) < -clearance and ratio.point < 1 / (1 + margin):
        return -1
    if log(ratio.low) > clearance and ratio.point > 1 + margin:
        return 1
    return 0


def half_width(estimate: Estimate | None) -> float:
    """Return how far, relative to its middle, an interval reaches up; infinite if there is none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return inf
    return expm1(log(estimate.high / estimate.low) / 2)


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

    It is the lowest possible level that is at least `ASKED_LEVEL`, or the highest if none is.
    """
    levels = 1 - 2 * cumulated[: max(1, len(cumulated) // 2)]
    k = max(0, int(np.count_nonzero(levels >= ASKED_LEVEL)) - 1)
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
