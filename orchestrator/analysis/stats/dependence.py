"""How much rounds depend on each other, and where they change.

Noise on a shared machine outlasts a round, so 49 rounds say less than 49 independent ones would. All is computed on
ranks, so an outlier counts no more than any other round. benchmarks/statistics/coverage.py chose the constants.
Sources: Bayley & Hammersley, J. R. Stat. Soc. Suppl. 8, 1946 (effective number of observations); Gastwirth & Rubin, J.
Am. Stat. Assoc. 66, 1971 (what dependence does to the sign and signed-rank tests); Marriott & Pope, Biometrika 41, 1954
(bias); Olshen, Venkatraman, Lucito & Wigler, Biostatistics 5, 2004 (segments).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import log, sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

FEWEST_TO_CORRELATE: Final = 4  # rounds; fewer give no correlation of neighbours
BIAS: Final = 1.0  # rounds of correlation r show r - (1 + 3 r) / rounds on average
# Added to the bias, so that a correlation that few rounds hide does not make intervals too narrow; the second is
# divided by the rounds, for many.
CAUTION: Final = 2.0
CAUTION_OF_MANY: Final = 28.0
SHORTEST: Final = 4  # rounds of a stretch that can be told from the others
SHORTEST_SHARE: Final = 1 / 12  # of all rounds; a shorter stretch moves the middle by little
SAME: Final = 9  # digits of a logarithm; what differs beyond them is a rounding error
MOST_PLACES: Final = 128  # ends of stretches that are tried; of more rounds, only some
FEWEST_TO_SPLIT: Final = 10  # rounds; fewer give a stretch no chance to differ significantly
# The largest standardised rank sum of any stretch of n rounds exceeds 2.4 + 0.36 log n - 75 / n^2 in about 2 % of
# undisturbed runs (simulated). A part of a run must exceed `LEAST_LIMIT`, too.
LIMIT: Final = 2.4
LIMIT_GROWTH: Final = 0.36
LIMIT_OF_FEW: Final = 75.0
LEAST_LIMIT: Final = 2.1


def autocorrelation(values: Sequence[float] | Floats) -> float | None:
    """Return the rank correlation of a round with the next, without its bias; `None` of too few or equal values."""
    rounds = len(values)
    raw = _neighbours(_scores(np.asarray(values)))
    if rounds < FEWEST_TO_CORRELATE or raw is None:
        return None
    return min(1.0, (rounds * raw + BIAS) / (rounds - 3))


def inflation(values: Sequence[float] | Floats) -> float:
    """Return how many times as wide as for independent rounds an interval of these values must be.

    That is sqrt((1 + r) / (1 - r)) for rounds of which each carries over the share r of the one before. r is estimated
    with caution, and is at most 1 - 2 / rounds, because so few rounds cannot show more.
    """
    rounds = len(values)
    raw = _neighbours(_scores(np.asarray(values)))
    if rounds < FEWEST_TO_CORRELATE or raw is None:
        return 1.0
    carried = (rounds * raw + BIAS + min(CAUTION, CAUTION_OF_MANY / rounds)) / (rounds - 3)
    carried = max(0.0, min(carried, 1 - 2 / rounds))
    return sqrt((1 + carried) / (1 - carried))


def effective_rounds(rounds: int, correlation: float) -> float:
    """Return how many independent rounds say as much as rounds of which neighbours correlate so."""
    carried = max(0.0, min(correlation, 1 - 2 / rounds))
    return rounds * (1 - carried) / (1 + carried)


def stretches(values: Sequence[float] | Floats) -> tuple[slice, ...]:
    """Split rounds where they change significantly; one slice of all if they do not.

    The stretch whose ranks differ most from those of all others is cut out if it differs by more than chance would
    allow, and the parts are split again.
    """
    if len(values) < FEWEST_TO_SPLIT:
        return (slice(0, len(values)),)
    shortest = max(SHORTEST, int(SHORTEST_SHARE * len(values)))
    return tuple(_split(np.asarray(values, dtype=np.float64), 0, shortest))


def step(values: Sequence[float] | Floats) -> int | None:
    """Return the first round of a lasting change, such as of the machine's speed; `None` without one.

    A change is believed if it is significant beyond what the dependence of the rounds on either side explains, and if
    two levels describe the rounds better than an even drift does.
    """
    logs = np.asarray(values, dtype=np.float64)
    rounds = len(logs)
    if rounds < FEWEST_TO_SPLIT:
        return None
    scores = _scores(logs)
    sizes = np.arange(SHORTEST, rounds - SHORTEST + 1)
    sums = np.abs(np.cumsum(scores)[sizes - 1]) / _deviations(sizes, rounds)
    at = int(sizes[int(sums.argmax())])
    levels = np.concatenate([logs[:at] - np.median(logs[:at]), logs[at:] - np.median(logs[at:])])
    if float(sums.max()) / inflation(levels) <= _limit(rounds):
        return None
    line = np.polyval(np.polyfit(np.arange(rounds), logs, 1), np.arange(rounds))
    return at if np.abs(levels).sum() < np.abs(logs - line).sum() else None


def _split(logs: Floats, first: int, shortest: int) -> list[slice]:
    rounds = len(logs)
    if rounds >= 2 * shortest:
        begins, ends, deviations = _candidates(rounds, shortest)
        cumulated = np.concatenate([[0.0], np.cumsum(_scores(logs))])
        sums = np.abs(cumulated[ends] - cumulated[begins]) / deviations
        best = int(sums.argmax())
        if sums[best] > _limit(rounds):
            cuts = [0, *dict.fromkeys((int(begins[best]), int(ends[best]))), rounds]
            parts = [(one, other) for one, other in pairwise(cuts) if other > one]
            return [each for one, other in parts for each in _split(logs[one:other], first + one, shortest)]
    return [slice(first, first + rounds)]


@lru_cache(maxsize=256)
def _candidates(rounds: int, shortest: int) -> tuple[Places, Places, Floats]:
    """Return where stretches begin and end, and the standard deviation of each one's rank sum."""
    places = np.unique(np.linspace(0, rounds, min(rounds, MOST_PLACES) + 1).astype(np.intp))
    first, second = np.triu_indices(len(places), 1)
    begins, ends = places[first], places[second]
    parts = begins, ends - begins, rounds - ends, rounds - (ends - begins)  # the last is all that is outside
    long = np.all([(each == 0) | (each >= shortest) for each in parts], axis=0) & (ends - begins < rounds)
    begins, ends = begins[long], ends[long]
    return begins, ends, _deviations(ends - begins, rounds)


def _deviations(sizes: Places, rounds: int) -> Floats:
    """Return the standard deviation of twice the centred rank sum of so many of the rounds."""
    return np.sqrt(sizes * (rounds - sizes) * (rounds + 1) / 3.0)


def _limit(rounds: int) -> float:
    return max(LEAST_LIMIT, LIMIT + LIMIT_GROWTH * log(rounds) - LIMIT_OF_FEW / rounds**2)


def _scores(values: Floats) -> Floats:
    """Return twice the ranks, centred; equal values share theirs."""
    values = np.round(values, SAME)
    ordered = np.sort(values)
    below, above = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    scores: Floats = (below + above - len(values)).astype(np.float64)
    return scores


def _neighbours(scores: Floats) -> float | None:
    """Return the correlation of each score with the next; `None` if all are equal."""
    total = float(scores @ scores)
    return float(scores[1:] @ scores[:-1]) / total if total else None
