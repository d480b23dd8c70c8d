"""`execute`: the one function that every strategy times, and its core, `timed`."""

from __future__ import annotations

import time
from collections.abc import Callable

from worker.contract import Failure, Hops, Outcome, Payload, Task
from worker.stages import kernel_of


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
    output, failure, *seconds = timed(task.stage, task.kernel, task.payload, clock, cpu_clock)
    return Outcome(task.id, output, failure, Hops(*seconds), slot)


def timed(
    stage: str,
    kernel: str,
    payload: Payload,
    clock: Callable[[], float] = time.perf_counter,
    cpu_clock: Callable[[], float] = time.thread_time,
) -> tuple[Payload | None, Failure | None, float, float]:
    """What `execute` is made of, for where an outcome is put together elsewhere.

    Returns:
        The output or the failure, and the seconds of wall time and of this thread's CPU time.
    """
    output, failure = None, None
    started, cpu_started = clock(), cpu_clock()
    try:
        output = kernel_of(stage, kernel)(payload)
    except Exception as error:  # noqa: BLE001 - whatever a kernel raises is that task's failure, kept as data
        failure = describe(error)
    return output, failure, clock() - started, cpu_clock() - cpu_started


def describe(error: BaseException) -> Failure:
    """The failure that an exception stands for: its class name and message, free of addresses in memory."""
    return Failure(type(error).__name__, str(error) or type(error).__name__)
