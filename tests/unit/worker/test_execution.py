from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial

import pytest
from billiard import common

from worker.contract import Failure, Hops, Task
from worker.execution import chunks_of, execute, execute_in_pool


def showing(*times: float) -> Iterator[float]:
    return iter(times)


def test_a_task_never_has_more_cpu_time_than_wall_time() -> None:
    wall, cpu = showing(1.0, 1.25), showing(7.0, 7.5)
    outcome = execute(Task(3, "diagnostics", "noop", "text"), "here", lambda: next(wall), lambda: next(cpu))
    assert outcome.hops == Hops(compute_s=0.25, compute_cpu_s=0.25)


def test_a_task_has_the_cpu_time_that_its_thread_used() -> None:
    wall, cpu = showing(1.0, 5.0), showing(7.0, 8.0)
    outcome = execute(Task(3, "diagnostics", "noop", "text"), "here", lambda: next(wall), lambda: next(cpu))
    assert (outcome.task_id, outcome.output, outcome.slot) == (3, "text", "here")
    assert outcome.hops == Hops(compute_s=4.0, compute_cpu_s=1.0)


def test_a_kernel_that_there_is_not_is_its_task_s_failure() -> None:
    outcome = execute(Task(3, "diagnostics", "nothing like it", "text"))
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.type) == ("failed", "UnknownKernelError")


def test_a_kernel_that_would_end_its_slot_fails_its_task_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(stage: str, kernel: str) -> object:
        raise SystemExit("enough")

    monkeypatch.setattr("worker.execution.kernel_of", leave)
    outcome = execute_in_pool(Task(3, "diagnostics", "noop", "text"), "here")
    assert (outcome.task_id, outcome.failure, outcome.slot) == (3, Failure("SystemExit", "enough"), "here")
    assert outcome.hops is not None


def test_a_slot_that_is_ended_for_a_task_over_its_limit_gives_no_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its worker has reported the task already; an outcome would be a second reply."""
    monkeypatch.setattr(common, "_should_have_exited", [False])
    monkeypatch.setattr(common, "maybe_setsignal", lambda *_: None)
    ended = partial(common._shutdown_cleanup, signal.SIGTERM)
    monkeypatch.setattr("worker.execution.kernel_of", lambda *_: ended)
    with pytest.raises(SystemExit):
        execute(Task(3, "diagnostics", "noop", "text"))


@pytest.mark.parametrize(
    ("count", "chunk", "sizes"), [(0, 4, []), (3, 4, [3]), (8, 4, [4, 4]), (9, 4, [4, 4, 1])]
)
def test_chunks_are_full_but_the_last(count: int, chunk: int, sizes: list[int]) -> None:
    tasks = [Task(number, "diagnostics", "noop", "") for number in range(count)]
    chunks = chunks_of(tasks, chunk)
    assert [len(each) for each in chunks] == sizes
    assert [task for each in chunks for task in each] == tasks
