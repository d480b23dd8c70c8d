"""A demand that no clock shows, such that the simulated batch takes what the real one took.

The closed formula (`sample_demands.of_sample`) takes every idle moment of a slot as overhead. Some of them are
waits for a long burst, for a core or on the payload path, which the simulation has of its own: counted in
both places they would make each prediction too long, that of the very batch they come from first of all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import QueueingNetwork

MOST_MESSAGES: Final = 3000
"""A larger batch is not calibrated by: its ends and bursts no longer count, and it would take long."""

HALVINGS: Final = 12
"""To within a four-thousandth of the range."""


def calibrate(
    system_of: Callable[[float], QueueingNetwork], tasks: int, makespan_s: float, low: float, high: float
) -> float | None:
    """The demand from `low` to `high` with which a batch of `tasks` tasks takes `makespan_s`.

    Args:
        system_of: the stations, for a value of the demand; more of it never makes a batch quicker.
        tasks: in the batch.
        makespan_s: what it took.
        low: the least that the demand may be, taken where even that makes the batch too long.
        high: the most, taken where even that leaves it too short.

    Returns:
        `None` where the batch is too large to be simulated so often.
    """
    if system_of(low).messages(tasks) > MOST_MESSAGES:
        return None
    if simulate(system_of(high), tasks).makespan_s <= makespan_s:
        return high
    if simulate(system_of(low), tasks).makespan_s >= makespan_s:
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if simulate(system_of(middle), tasks).makespan_s > makespan_s:
            high = middle
        else:
            low = middle
    return (low + high) / 2
