"""How long tasks wait for a slot if they arrive at given times: one queue, first come first served.

Sources: Lindley, "The theory of queues with a single server", Proc. Camb. Phil. Soc. 48, 1952; Kiefer & Wolfowitz,
"On the theory of queues with many servers", Trans. Amer. Math. Soc. 78, 1955.
benchmarks/statistics/queueing_theory.py compares it with the formulas that exist.
"""

from __future__ import annotations

import heapq
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def waits_s(arrivals_s: Floats, services_s: Floats, slots: int) -> Floats:
    """Return how long each task waits before its slot begins it.

    Args:
        arrivals_s: when the tasks arrive, in ascending order, of shape (tasks,).
        services_s: how long each of them occupies its slot, of the same shape.
        slots: how many serve the queue, at least 1.
    """
    if slots == 1:
        # Lindley's recursion: a task begins when the last of those before it has ended, or when it arrives.
        before_s = np.cumsum(services_s) - services_s
        waits: Floats = np.maximum.accumulate(arrivals_s - before_s) + before_s - arrivals_s
        return np.maximum(waits, 0.0)
    begins_s = np.empty(len(arrivals_s))
    free_at = [-inf] * min(slots, max(1, len(arrivals_s)))  # when each slot is free again, as a heap
    for task, (arrival_s, service_s) in enumerate(zip(arrivals_s.tolist(), services_s.tolist(), strict=True)):
        begin_s = max(arrival_s, free_at[0])
        begins_s[task] = begin_s
        heapq.heapreplace(free_at, begin_s + service_s)
    return np.maximum(begins_s - arrivals_s, 0.0)
