"""`execute` runs one task and times it: the one function that every strategy and every Celery worker uses."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from typing import Final

from worker.contract import Failure, Hops, Outcome, Task
from worker.stages import kernel_of

TERMINATED: Final = (
    signal.SIGTERM - 256
)  # with this code billiard ends a slot process whose task took too long


def execute(
    task: Task,
    slot: str | None = None,
    clock: Callable[[], float] = time.perf_counter,
    cpu_clock: Callable[[], float] = time.thread_time,
) -> Outcome:
    """Run and time one task's kernel; an exception, and an unknown stage or kernel, is the outcome's failure."""
    output = failure = None
    cpu_started, started = cpu_clock(), clock()
    try:
        output = kernel_of(task.stage, task.kernel)(task.payload)
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code == TERMINATED:
            raise
        failure = describe(error)
    elapsed = clock() - started
    # The CPU clock is read outside the two readings of the wall clock, so it may count a little more.
    cpu_s = min(cpu_clock() - cpu_started, elapsed)
    return Outcome(task.id, output, failure, Hops(elapsed, cpu_s), slot)


def execute_in_pool(task: Task, slot: str) -> Outcome:
    """Run a task in a slot of a pool, where even `SystemExit` must cost that task alone."""
    try:
        return execute(task, slot)
    except BaseException as error:  # noqa: BLE001 - the other tasks of its chunk must not be lost with it
        return Outcome(task.id, failure=describe(error), slot=slot)


def describe(error: BaseException) -> Failure:
    """Return the failure that an exception stands for: its class name and message."""
    return Failure(type(error).__name__, str(error) or type(error).__name__)


def chunks_of(tasks: Sequence[Task], chunk: int) -> list[Sequence[Task]]:
    """Return the tasks in groups of `chunk`, the last of which may be smaller."""
    return [tasks[at : at + chunk] for at in range(0, len(tasks), chunk)]
