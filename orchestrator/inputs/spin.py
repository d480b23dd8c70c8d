"""The tasks of stage `spin`, whose length is an iteration count that is calibrated once a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from statistics import median
from typing import Final

from orchestrator.inputs.workload import Workload
from worker.stages import STAGES

STAGE: Final = "spin"
DEFAULT_WORK_MS: Final = 10.0  # length of a task, where nothing sets it
CALIBRATION_S: Final = 0.02  # seconds of work that a calibration times
CALIBRATIONS: Final = 5  # of which the median counts
KERNELS_THAT_COUNT: Final = ("held", "released")  # the others are given their seconds


def iterations_per_s(kernel: str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Time a kernel here and return how many iterations it does a second."""

    def took_s(iterations: int) -> float:
        started = clock()
        STAGES[STAGE].kernels[kernel](f"{kernel} {iterations} 1")
        return clock() - started

    iterations = 1000
    while (once_s := took_s(iterations)) < CALIBRATION_S:
        iterations = round(iterations * min(10.0, max(1.5, CALIBRATION_S / max(once_s, 1e-9))))
    return iterations / median(took_s(iterations) for _ in range(CALIBRATIONS))


def calibrated() -> Mapping[str, float]:
    """Return the iterations a second of each kernel that counts them."""
    return {kernel: iterations_per_s(kernel) for kernel in KERNELS_THAT_COUNT}


def spin_workload(kernel: str, work_s: float, tasks: int, speeds: Mapping[str, float]) -> Workload:
    """Return a batch of tasks that are busy for `work_s` each; every task has its own output."""
    amount = f"{max(1, round(work_s * speeds[kernel]))}" if kernel in speeds else f"{work_s:.9f}"
    return _workload(kernel, amount, tasks)


@lru_cache(maxsize=256)
def _workload(kernel: str, amount: str, tasks: int) -> Workload:
    payloads = {index: f"{kernel} {amount} {index}" for index in range(tasks)}
    expected = {index: STAGES[STAGE].reference(payload) for index, payload in payloads.items()}
    return Workload({STAGE: payloads}, {STAGE: expected})
