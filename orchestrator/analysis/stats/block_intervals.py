"""The interval of a quantile of values that depend on their neighbours, from blocks of time.

The share of values up to the quantile has one value a block, whose spread gives Student's interval of that share; read
off the ordered values, its ends are those of the quantile (Woodruff, J. Am. Stat. Assoc. 47, 1952; batch means of
quantiles: Heidelberger & Lewis, Operations Research 32, 1984). Where an end is beyond all values, there is no interval.
benchmarks/statistics/latency_intervals.py chose the constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite, sqrt
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.intervals import ASKED_LEVEL
from orchestrator.analysis.stats.student_t import quantile as student_quantile
from orchestrator.model.findings import Estimate

Floats: TypeAlias = NDArray[np.float64]

WIDENING: Final = 1.1  # of the interval, because the spread of a few blocks misses rare long queues
STEPS: Final = 3  # in which the lower end takes the wider spread that blocks have there


@dataclass(frozen=True, slots=True)
class BlockedQuantile:
    """A quantile with its interval, if it has one; with data `longer` times as long it would have one."""

    estimate: Estimate
    longer: float


def blocked_quantile(
    values: Floats, blocks: NDArray[np.int64], count: int, quantile: float
) -> BlockedQuantile:
    """Return a quantile with its interval.

    Args:
        values: in ascending order, of shape (values,), not empty; may be infinite at the end.
        blocks: the block of each value, below `count`.
        count: how many blocks there are, at least 2.
        quantile: between 0 and 1.
    """
    sizes = np.bincount(blocks, minlength=count)
    total = len(values)

    def error(place: int) -> float:
        """The standard error of the share of values up to a place; a block's is a ratio, as its size varies."""
        share = (place + 1) / total
        beyond = np.bincount(blocks[: place + 1], minlength=count) - share * sizes
        return sqrt(float(beyond @ beyond) * count / (count - 1)) / total

    def place_of(share: float) -> int:
        return ceil(share * total - 1e-9) - 1

    reach = WIDENING * student_quantile(ASKED_LEVEL, count - 1)
    middle = max(0, place_of(quantile))
    spread = reach * error(middle)
    low, high = place_of(quantile - spread), place_of(quantile + spread)
    for _ in range(STEPS):
        if low < 0:
            break
        low = place_of(quantile - max(spread, reach * error(low)))
    point = float(values[middle])
    if low < 0 or high >= total or not isfinite(values[high]):
        return BlockedQuantile(Estimate(point), (spread / min(quantile, 1 - quantile)) ** 2)
    return BlockedQuantile(Estimate(point, float(values[low]), float(values[high]), ASKED_LEVEL), 1.0)
