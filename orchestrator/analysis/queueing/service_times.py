"""Tasks that take unequally long: what a batch of them takes on a number of slots, which a mean cannot tell.

Every eighth task of 300 ms among tasks of 30 ms keeps one of eight slots busy long after the others have ended, though
the mean is 64 ms. So the batches that were measured are packed onto the slots, message by message.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean, median, pstdev
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.queueing.waits import waits_s
from orchestrator.model.runs import Sample

Floats: TypeAlias = NDArray[np.float64]
Batches: TypeAlias = tuple[tuple[float, ...], ...]  # of each batch, each message's time relative to the mean

UNEQUAL: Final = 0.2  # standard deviation over mean from which tasks count as unequally long
MOST_BATCHES: Final = 9
MOST_SLOTS_EACH: Final = (
    100  # numbers of slots for which packing is computed one by one; beyond, interpolated
)
SEED: Final = 1969


def are_unequal(samples: Sequence[Sample]) -> bool:
    """Return whether the tasks of most samples take unequally long."""
    spreads = [_spread(each.service_times_s) for each in samples if len(each.service_times_s) > 1]
    return bool(spreads) and median(spreads) > UNEQUAL


def _spread(times_s: Sequence[float]) -> float:
    mean_s = fmean(times_s)
    return pstdev(times_s) / mean_s if mean_s > 0 else 0.0


def unequal_batches(samples: Sequence[Sample], chunk: int, tasks: int) -> Batches:
    """Return batches of `tasks` tasks in messages of `chunk`, like those of the samples; none of equal tasks.

    A batch whose every task was kept is returned as it was measured; others are drawn from all kept times.
    """
    known = [each for each in samples if each.service_times_s]
    if not are_unequal(known):
        return ()
    whole = [each for each in known if len(each.service_times_s) == each.tasks == tasks]
    if whole:
        return tuple(_messages(each.service_times_s, chunk) for each in whole[:MOST_BATCHES])
    pool = relative_times(known)
    rng = np.random.default_rng(SEED)
    return tuple(_messages(rng.choice(pool, tasks).tolist(), chunk) for _ in range(MOST_BATCHES))


def relative_times(samples: Sequence[Sample]) -> Floats:
    """Return the kept service times of all samples, each relative to the mean of its own sample.

    A round that was slow as a whole says nothing about one task compared with another.
    """
    known = [each.service_times_s for each in samples if sum(each.service_times_s) > 0]
    return np.concatenate([np.divide(each, fmean(each)) for each in known]) if known else np.empty(0)


def _messages(times: Sequence[float], chunk: int) -> tuple[float, ...]:
    sums = [sum(times[start : start + chunk]) for start in range(0, len(times), chunk)]
    mean = fmean(sums)
    return tuple(each / mean for each in sums)


def packed(batch: Sequence[float], slots: int) -> float:
    """Return when the last message of a batch ends if each slot takes the next one as soon as it is free."""
    times = np.asarray(batch, dtype=np.float64)
    return float((waits_s(np.zeros(len(times)), times, slots) + times).max())


def turns(batches: Batches, messages: int, slots: Floats) -> Floats:
    """Return how many mean messages one slot after the other takes for a batch, on each number of slots.

    That is ceil(messages / slots) if there are no unequal batches, else the median of them.
    """
    whole = np.ceil(messages / slots)
    if not batches:
        return whole
    known, ratios = _ratios(batches)
    return np.asarray(whole * np.interp(np.log(slots), known, ratios), dtype=np.float64)


@lru_cache(maxsize=32)
def _ratios(batches: Batches) -> tuple[Floats, Floats]:
    """Logarithms of numbers of slots, and how many times the turns of equal messages a batch takes there."""
    messages = len(batches[0])
    few = np.arange(1, min(messages, MOST_SLOTS_EACH) + 1)
    slots = np.unique(np.concatenate([few, np.geomspace(1, messages, 30).astype(int)]))
    ratios = [
        median(packed(batch, count) for batch in batches) / np.ceil(messages / count)
        for count in slots.tolist()
    ]
    return np.log(slots), np.array(ratios)
