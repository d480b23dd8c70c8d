"""Several sides take turns: each does its batch once per round, in a fresh order."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from orchestrator.analysis.stats.intervals import estimate, ratio
from orchestrator.model.findings import Estimate

Side: TypeAlias = Callable[[], float]  # does its batch once and returns the seconds

LEAST_S = 0.05
MOST_TIMES = 200


def stopwatch(do: Callable[[], object]) -> Side:
    """Return a side that times `do` without garbage collection, and drops its output off the clock."""

    def seconds() -> float:
        gc.collect()
        gc.disable()
        try:
            started = time.perf_counter()
            kept = do()
            elapsed = time.perf_counter() - started
        finally:
            gc.enable()
        del kept
        return elapsed

    return seconds


def each(function: Callable[[Any], object], inputs: Sequence[Any]) -> Callable[[], None]:
    """Call a function on each input, and drop each output before the next call."""

    def do() -> None:
        for one in inputs:
            function(one)

    return do


def turns(
    sides: Mapping[str, Side], rounds: int, seed: int = 1, least_s: float = LEAST_S
) -> dict[str, dict[int, float]]:
    """Return the seconds of every side by round.

    Two rounds of warm-up are not kept. The second decides how many batches in a row make a sample of at least
    `least_s`; a sample is their mean.
    """
    order = random.Random(seed)  # noqa: S311 - an order that can be had again, not a secret
    found: dict[str, dict[int, float]] = {name: {} for name in sides}
    times = dict.fromkeys(sides, 1)
    for number in range(-2, rounds):
        for name in order.sample(list(sides), len(sides)):
            seconds = sum(sides[name]() for _ in range(times[name])) / times[name]
            if number >= 0:
                found[name][number] = seconds
            elif number == -1:
                times[name] = min(MOST_TIMES, max(1, round(least_s / seconds)))
    return found


def versus(numerator: Mapping[int, float], denominator: Mapping[int, float]) -> Estimate:
    """Return the ratio of two sides, by paired rounds."""
    found = ratio(numerator, denominator)
    assert found is not None, "no round has both"
    return found


def typical(samples: Mapping[int, float]) -> float:
    """Return the pseudo-median of the seconds of a side."""
    found = estimate([*samples.values()])
    assert found is not None, "no rounds"
    return found.point
