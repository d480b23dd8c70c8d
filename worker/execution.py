"""`timed`: the one function that every strategy times its kernels with, and what becomes of what it gives.

What lies between two kernels runs with cold caches: while a kernel runs, a processor loses what that does not use, and
whatever comes next is slow by as much code and memory as it touches (`benchmarks/system/cold_code.py`).
So a strategy may keep what is done for a moment and make outcomes of several together; `MOST_HELD` and `HOLD_S` say
how many and how long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from worker.contract import Failure, Hops, Outcome, Payload, Task
from worker.stages import Kernel, UnknownKernelError, kernel_of

Done: TypeAlias = tuple[Payload | None, Failure | None, float]
"""A task's output or its failure, and the seconds of wall time that it took."""

MOST_HELD: Final = 128
HOLD_S: Final = 0.2
"""So many tasks that are done a slot keeps while there is more to do, and none once this has passed since it kept none.

It is looked at between tasks, so one that is done waits no longer than this and the task that its slot does next.
"""


def execute(
    task: Task,
    slot: str | None = None,
    clock: Callable[[], float] = time.perf_counter,
    cpu_clock: Callable[[], float] = time.thread_time,
) -> Outcome:
    """Run one task's kernel on its payload; an exception becomes the outcome's failure.

    Args:
        task: what to do; its stage and kernel must be known.
        slot: the name of the place that runs it, kept in the outcome.
        clock: seconds of wall time.
        cpu_clock: seconds of this thread's CPU time.

    Returns:
        The outcome with `hops.compute_s` and `hops.compute_cpu_s` set.
    """
    cpu = CpuTime(cpu_clock)
    done = timed(task.stage, task.kernel, task.payload, clock)
    return outcome_of(task.id, done, cpu.share(done[2]), slot)


def outcome_of(task_id: int, done: Done, cpu_share: float, slot: str | None) -> Outcome:
    """The outcome of a task of which `timed` gave `done`, in the place named `slot`.

    `cpu_share` is the CPU time for each second that it took.
    """
    output, failure, compute_s = done
    return Outcome(task_id, output, failure, Hops(compute_s, compute_s * cpu_share), slot)


def timed(stage: str, kernel: str, payload: Payload, clock: Callable[[], float] = time.perf_counter) -> Done:
    """Run a kernel on a payload, and see how long it takes; whatever it raises is its task's failure."""
    return timed_kernel(kernel_or_error(stage, kernel), payload, clock)


def kernel_or_error(stage: str, kernel: str) -> Kernel:
    """The function that implements a kernel, or one that raises why there is none."""
    try:
        return kernel_of(stage, kernel)
    except UnknownKernelError as error:
        return partial(_raise, error)


def _raise(error: Exception, _: Payload) -> Payload:
    raise error


def timed_kernel(kernel: Kernel, payload: Payload, clock: Callable[[], float] = time.perf_counter) -> Done:
    """The same for a kernel that was looked up before."""
    output, failure = None, None
    started = clock()
    try:
        output = kernel(payload)
    except Exception as error:  # noqa: BLE001 - whatever a kernel raises is that task's failure, kept as data
        failure = describe(error)
    return output, failure, clock() - started


class CpuTime:
    """The CPU time of the thread that makes this, read as seldom as outcomes are made of what it did.

    Reading it is a system call, which is dear between two kernels (`benchmarks/system/cold_code.py`). So tasks kept
    together share theirs by the wall time of each. What lies between their kernels is counted with them, a few
    microseconds a task, but never so that a task had more CPU time than wall time.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        """Count from now on, in seconds of `clock`."""
        self._clock = clock
        self._read_at = clock()

    def share(self, compute_s: float) -> float:
        """CPU time since this was last asked for each second of `compute_s`, which kernels took since; at most 1."""
        now = self._clock()
        used, self._read_at = now - self._read_at, now
        return min(1.0, used / compute_s) if compute_s > 0 else 1.0


def describe(error: BaseException) -> Failure:
    """The failure that an exception stands for: its class name and message, free of addresses in memory."""
    return Failure(type(error).__name__, str(error) or type(error).__name__)
