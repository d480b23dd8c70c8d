"""Exact null distributions of the rank statistics that intervals and trend tests use.

Each function but `equal_shares_p` returns the cumulative probabilities P(statistic <= k) for k = 0, 1, 2, ... as a
read-only float64 array. They are short dynamic programmes, because importing scipy takes longer than a whole
analysis; tests compare them with scipy and with enumeration.
Source: Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods", 3rd ed., 2014, ch. 3, 4 and 8.
"""

from __future__ import annotations

from functools import cache
from math import comb, exp, lgamma, sqrt
from statistics import NormalDist
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Probabilities: TypeAlias = NDArray[np.float64]

EXACT_RANK_SUM: Final = 1600  # largest product of two sample sizes whose rank-sum distribution is exact
EXACT_KENDALL: Final = 60  # most rounds whose Kendall's distribution is exact


@cache
def signed_rank(n: int) -> Probabilities:
    """Return P(T+ <= k) of Wilcoxon's signed-rank statistic of `n` pairs under symmetry about 0."""
    top = n * (n + 1) // 2
    mass = np.zeros(top + 1)
    mass[0] = 1.0
    for rank in range(1, n + 1):
        shifted = np.zeros_like(mass)
        shifted[rank:] = mass[:-rank]
        mass = (mass + shifted) / 2
    return _cumulated(mass)


@cache
def signs(n: int) -> Probabilities:
    """Return P(B <= k), B values of `n` below a median that each is as likely to lie above."""
    return _cumulated(np.array([comb(n, k) / 2**n for k in range(n + 1)]))


@cache
def rank_sum(m: int, n: int) -> Probabilities:
    """Return P(U <= k) of Mann and Whitney's U of `m` and `n` values from one distribution."""
    if m * n > EXACT_RANK_SUM:
        return _normal(m * n, variance=m * n * (m + n + 1) / 12)
    row = [np.ones(1)] * (n + 1)
    for i in range(1, m + 1):
        new = [np.ones(1)]
        for j in range(1, n + 1):
            mass = np.zeros(i * j + 1)
            mass[j:] += row[j] * (i / (i + j))
            mass[: i * (j - 1) + 1] += new[j - 1] * (j / (i + j))
            new.append(mass)
        row = new
    return _cumulated(row[n])


@cache
def kendall(n: int) -> Probabilities:
    """Return P(D <= k) of the discordant pairs in a random order of `n`."""
    top = n * (n - 1) // 2
    if n > EXACT_KENDALL:
        return _normal(top, variance=n * (n - 1) * (2 * n + 5) / 72)
    mass = np.ones(1)
    for places in range(2, n + 1):
        mass = np.convolve(mass, np.full(places, 1 / places))
    return _cumulated(mass)


def equal_shares_p(one: int, of_one: int, other: int, of_other: int) -> float:
    """Return Fisher's exact two-sided p-value that two counts are of the same share."""
    total = one + other

    def chance(number: int) -> float:
        return exp(
            _log_comb(of_one, number)
            + _log_comb(of_other, total - number)
            - _log_comb(of_one + of_other, total)
        )

    chances = [chance(each) for each in range(max(0, total - of_other), min(of_one, total) + 1)]
    seen = chance(one) * (1 + 1e-7)  # as likely, but for rounding
    return min(1.0, sum(each for each in chances if each <= seen))


def _log_comb(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _cumulated(mass: Probabilities) -> Probabilities:
    cumulated = np.cumsum(mass)
    cumulated.setflags(write=False)
    return cumulated


def _normal(top: int, variance: float) -> Probabilities:
    """Return the normal approximation, with continuity correction, of a statistic symmetric on 0 .. top."""
    normal = NormalDist(top / 2, sqrt(variance))
    return _cumulated(np.diff([0.0, *(normal.cdf(k + 0.5) for k in range(top)), 1.0]))
