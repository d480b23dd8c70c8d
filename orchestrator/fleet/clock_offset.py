"""How far a worker's clock is ahead of ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from celery import Celery

from orchestrator.fleet import answers
from orchestrator.fleet.workers import Offset, WorkerInfo, ask
from worker.remote_control import clock_identity

SAME_CLOCK_BOUND_S: Final = 1e-6  # uncertainty of an offset where worker and orchestrator read the same clock
CLOCK_TIMEOUT_S: Final = 2.0  # seconds a worker may take to tell its clock


def estimate_offset(
    ask_clock: Callable[[], float | None], trips: int = 5, clock: Callable[[], float] = time.monotonic
) -> Offset | None:
    """Estimate a remote clock's offset from the shortest round trip (Cristian's algorithm).

    The remote reading was taken somewhere between sending and receiving, so the middle is off by at most half the
    round trip. Source: F. Cristian, "Probabilistic clock synchronization", Distributed Computing 3, 1989.

    Args:
        ask_clock: asks for the remote reading, in seconds; `None` if no answer came.
        trips: number of round trips to choose from.
        clock: our own clock, seconds.
    """
    best: Offset | None = None
    for _ in range(trips):
        sent = clock()
        reading = ask_clock()
        received = clock()
        if reading is None:
            break  # it may be gone, and would be waited for once more in each trip
        bound = (received - sent) / 2
        if best is None or bound < best.bound_s:
            best = Offset(reading - (sent + received) / 2, bound)
    return best


def measure_offset(app: Celery, worker: WorkerInfo, timeout_s: float = CLOCK_TIMEOUT_S) -> Offset | None:
    """Measure the offset of a worker's clock; it is exactly 0 on this machine's own clock."""
    if worker.clock is not None and worker.clock == clock_identity():
        return Offset(0.0, SAME_CLOCK_BOUND_S)

    def ask_clock() -> float | None:
        answer = ask(app, "breakeven_clock", [worker.name], timeout_s).get(worker.name)
        if answer is None:
            return None
        return answers.read(answers.ClockReading, worker.name, "breakeven_clock", answer).monotonic_s

    return estimate_offset(ask_clock)
