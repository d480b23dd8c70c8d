"""NumPy over the stacked batch, in the calling thread: many pictures as one array."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator, Iterator, Sequence

import numpy as np

from orchestrator.errors import UsageError
from orchestrator.strategies.base import Strategy
from worker.contract import Hops, Outcome, Task
from worker.execution import describe, execute
from worker.stages import STAGES, BatchKernel


class Vectorized(Strategy):
    """Runs a stage's batch kernel on all pictures of one shape at once; there is one slot.

    A picture's `compute_s` and `compute_cpu_s` are its share, by number, of its group's time.
    """

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch, one shape after the other in the order of their first tasks."""
        slot = f"{socket.gethostname()}:{os.getpid()}"
        groups: dict[tuple[object, ...], list[Task]] = {}
        for task in tasks:
            groups.setdefault(_likeness(task), []).append(task)
        kernels = [_batch_kernel(group[0]) for group in groups.values()]
        for kernel, group in zip(kernels, groups.values(), strict=True):
            yield from _all_at_once(kernel, group, slot)


def _likeness(task: Task) -> tuple[object, ...]:
    """What tasks must have in common to be stacked."""
    payload = task.payload
    if isinstance(payload, np.ndarray):
        return task.stage, task.kernel, payload.shape, payload.dtype.str
    return task.stage, task.kernel, type(payload)


def _batch_kernel(task: Task) -> BatchKernel:
    try:
        return STAGES[task.stage].batch_kernels[task.kernel]
    except KeyError:
        known = [f"{name} {kernel}" for name, stage in STAGES.items() for kernel in stage.batch_kernels]
        raise UsageError(
            f"vectorized cannot do {task.stage} {task.kernel}: there are batch kernels for {', '.join(known)}"
        ) from None


def _all_at_once(kernel: BatchKernel, group: Sequence[Task], slot: str) -> Iterator[Outcome]:
    cpu_started, started = time.thread_time(), time.perf_counter()
    try:
        outputs = kernel([task.payload for task in group])  # type: ignore[misc]  # the kernel checks what it gets
    except Exception as error:  # noqa: BLE001 - whatever a kernel raises is its tasks' failure, kept as data
        yield from _each_failed(error, group, slot)
        return
    elapsed = time.perf_counter() - started
    each_s = elapsed / len(group)
    hops = Hops(each_s, min(each_s, (time.thread_time() - cpu_started) / len(group)))
    for task, output in zip(group, outputs, strict=True):
        yield Outcome(task.id, output, None, hops, slot)


def _each_failed(error: Exception, group: Sequence[Task], slot: str) -> Iterator[Outcome]:
    """Give each task its own failure, as the kernel for one picture words it, or else the batch kernel's error."""
    for task in group:
        alone = execute(task, slot)
        yield alone._replace(output=None, failure=alone.failure or describe(error))
