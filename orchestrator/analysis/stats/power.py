"""What this many rounds can find, and how many more would decide.

More rounds are expected to narrow an interval with the root of their number, and to move its point as the rounds so far
allow: the truth is as uncertain as the interval says, and so is each further round.
Source: Spiegelhalter, Abrams & Myles, "Bayesian Approaches to Clinical Trials and Health-Care Evaluation", 2004,
sec. 6.6 (predictive power). benchmarks/statistics/rounds_asked.py shows that it holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import expm1, log, log1p, sqrt
from statistics import NormalDist
from typing import Final

from orchestrator.analysis.stats.intervals import CLEARANCE, half_width
from orchestrator.model.findings import Estimate

ANOTHER_RUN: Final = (
    2.0  # a run like this one has another interval, too: times the point's standard error (simulated)
)
POWER: Final = 0.8  # share of runs in which what is promised is found
MOST_ROUNDS: Final = 1000  # if a decision takes more, the number of rounds is not what prevents it
NEXT: Final = (
    1.02  # each number of rounds that is tried over the one before, so that the answer has two digits
)


def smallest_difference(ratio: Estimate, margin: float) -> float | None:
    """Return the difference that 8 of 10 such runs would find, as a share (0.1: 10 %); `None` without an interval."""
    if ratio.low is None or ratio.high is None:
        return None
    found_from = max(log1p(margin), (1 + 2 * CLEARANCE) * _reach(ratio))
    return expm1(found_from + NormalDist().inv_cdf(POWER) * ANOTHER_RUN * _standard_error(ratio))


def rounds_to_decide(ratio: Estimate, rounds: int, margin: float) -> int | None:
    """Return how many more rounds would decide with a chance of `POWER`; `None` if more than `MOST_ROUNDS` in all."""
    if ratio.low is None or ratio.high is None:
        return None
    for more in _tried(MOST_ROUNDS - rounds):
        if chance_to_decide(ratio, rounds, more, margin) >= POWER:
            return more
    return None


def chance_to_decide(ratio: Estimate, rounds: int, more: int, margin: float) -> float:
    """Return the chance that a verdict is decided after so many more rounds."""
    centre, limit = log(ratio.point), log1p(margin)
    reach = _reach(ratio) * sqrt(rounds / (rounds + more))
    point = NormalDist(centre, _standard_error(ratio) * sqrt(more / (rounds + more)))
    different, tie = max(limit, (1 + 2 * CLEARANCE) * reach), limit - reach
    equal = point.cdf(tie) - point.cdf(-tie) if tie > 0 else 0.0
    return point.cdf(-different) + 1 - point.cdf(different) + equal


def _reach(ratio: Estimate) -> float:
    return log1p(half_width(ratio))


def _standard_error(ratio: Estimate) -> float:
    """Return the point's standard error, on the logarithmic scale and never 0."""
    return max(1e-9, _reach(ratio) / NormalDist().inv_cdf((1 + (ratio.level or POWER)) / 2))


def _tried(most: int) -> Iterable[int]:
    more = 1
    while more <= most:
        yield more
        more = max(more + 1, int(more * NEXT))
