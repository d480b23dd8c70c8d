from __future__ import annotations

from collections.abc import Iterator

import pytest

from worker.contract import Hops, Task
from worker.execution import CpuTime, execute


def showing(*times: float) -> Iterator[float]:
    return iter(times)


def test_cpu_time_is_shared_by_what_kernels_took_since_it_was_last_read() -> None:
    times = showing(10.0, 10.5, 11.5)
    cpu = CpuTime(lambda: next(times))
    assert [cpu.share(2.0), cpu.share(1.25)] == [0.25, 0.8]


@pytest.mark.parametrize("compute_s", [0.0, 0.1])
def test_a_kernel_never_has_more_cpu_time_than_wall_time(compute_s: float) -> None:
    times = showing(0.0, 0.2)
    assert CpuTime(lambda: next(times)).share(compute_s) == 1.0


def test_a_task_alone_has_the_cpu_time_that_its_thread_used() -> None:
    wall, cpu = showing(1.0, 5.0), showing(7.0, 8.0)
    outcome = execute(Task(3, "diagnostics", "noop", "text"), "here", lambda: next(wall), lambda: next(cpu))
    assert (outcome.task_id, outcome.output, outcome.slot) == (3, "text", "here")
    assert outcome.hops == Hops(compute_s=4.0, compute_cpu_s=1.0)


def test_a_kernel_that_there_is_not_is_its_task_s_failure() -> None:
    outcome = execute(Task(3, "diagnostics", "nothing like it", "text"))
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.type) == ("failed", "UnknownKernelError")
