from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.strategies import threads
from orchestrator.strategies.threads import Threads
from worker.contract import Failure, Outcome, Task

TASKS = [Task(i, "decode", str(i), b"") for i in range(50)]


@pytest.fixture
def executing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Task], None]], None]:
    """Have the threads call a function for each task in place of its kernel."""

    def use(function: Callable[[Task], None]) -> None:
        def execute(task: Task, slot: str) -> Outcome:
            function(task)
            return Outcome(task.id, task.payload, slot=slot)

        monkeypatch.setattr(threads, "execute_in_pool", execute)

    return use


def threads_up() -> set[threading.Thread]:
    """The threads of this process, those of other tests included, which may end at any moment."""
    return set(threading.enumerate())


def test_all_threads_are_up_on_entering_and_gone_on_leaving() -> None:
    before = threads_up()
    with Threads(5):
        assert len(threads_up() - before) == 5
    assert not threads_up() - before


def test_every_slot_works_at_the_same_time(executing) -> None:
    together = threading.Barrier(4, timeout=10)
    executing(lambda _: together.wait())
    with Threads(4) as strategy:
        assert len({outcome.slot for outcome in strategy.run(TASKS[:4])}) == 4


@pytest.mark.parametrize(("chunk", "done_of_the_first_batch"), [(1, [0, 1]), (2, [0, 1, 2, 3])])
def test_closing_waits_for_chunks_begun_and_does_no_others(
    executing, chunk: int, done_of_the_first_batch: list[int]
) -> None:
    at_work, go_on, done = threading.Event(), threading.Event(), []

    def work(task: Task) -> None:
        if task.id == chunk:
            at_work.set()
            assert go_on.wait(10)
        done.append(task.id)

    executing(work)
    with Threads(1, chunk) as strategy:
        outcomes = strategy.run(TASKS[:10])
        next(outcomes)
        assert at_work.wait(10)
        threading.Timer(0.1, go_on.set).start()
        outcomes.close()
        assert done == done_of_the_first_batch
        assert [outcome.task_id for outcome in strategy.run(TASKS[7:9])] == [7, 8]


def test_a_thread_takes_a_chunk_at_a_time(executing) -> None:
    slots: dict[int, str] = {}
    together = threading.Barrier(2, timeout=10)

    def work(task: Task) -> None:
        slots[task.id] = threading.current_thread().name
        if task.id % 3 == 0:
            together.wait()

    executing(work)
    with Threads(2, chunk=3) as strategy:
        list(strategy.run(TASKS[:6]))
    assert [len({slots[number] for number in chunk}) for chunk in ((0, 1, 2), (3, 4, 5))] == [1, 1]
    assert slots[0] != slots[3]


def test_a_batch_with_no_task_is_over_at_once_and_so_is_the_next_one(executing) -> None:
    executing(lambda _: None)
    with Threads(3) as strategy:
        assert list(strategy.run([])) == []
        assert [outcome.task_id for outcome in strategy.run(TASKS[:1])] == [0]


def test_an_outcome_is_yielded_before_the_next_task_ends(executing) -> None:
    go_on = threading.Event()
    executing(lambda task: None if task.id == 0 else _wait(go_on))
    with Threads(1) as strategy:
        outcomes = strategy.run(TASKS[:3])
        assert next(outcomes).task_id == 0
        go_on.set()
        assert [outcome.task_id for outcome in outcomes] == [1, 2]


def test_an_outcome_is_yielded_beside_a_task_that_lasts(executing) -> None:
    go_on = threading.Event()
    executing(lambda task: _wait(go_on) if task.id == 0 else None)
    with Threads(2) as strategy:
        outcomes = strategy.run(TASKS[:10])
        assert {next(outcomes).task_id for _ in range(9)} == set(range(1, 10))
        go_on.set()
        assert next(outcomes).task_id == 0


def _wait(event: threading.Event) -> None:
    assert event.wait(10)


def test_an_interrupt_within_a_batch_leaves_the_strategy_ready(
    executing, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(threads.SimpleQueue):
        """Ctrl-C comes to the thread that waits for an outcome."""

        def get(self, block: bool = True, timeout: float | None = None) -> object:
            super().get(block, timeout)
            raise KeyboardInterrupt

    executing(lambda _: None)
    with Threads(2) as strategy:
        with monkeypatch.context() as patched:
            patched.setattr(threads, "SimpleQueue", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                list(strategy.run(TASKS))
        ids = [outcome.task_id for outcome in strategy.run(TASKS[-9:])]
    assert sorted(ids) == [task.id for task in TASKS[-9:]]


def test_a_kernel_that_would_end_its_thread_fails_its_task_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(stage: str, kernel: str) -> Callable[[object], object]:
        if kernel == "1":
            raise SystemExit("enough")
        return lambda payload: payload

    monkeypatch.setattr("worker.execution.kernel_of", leave)
    with Threads(1, chunk=3) as strategy:
        outcomes = list(strategy.run(TASKS[:3]))
    assert [None, Failure("SystemExit", "enough"), None] == [outcome.failure for outcome in outcomes]
    assert all(outcome.hops is not None for outcome in outcomes)


def test_threads_that_cannot_start_are_reported_and_those_that_did_are_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = threads_up()
    start = threading.Thread.start

    def start_two(thread: threading.Thread) -> None:
        if len(threads_up() - before) >= 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(UnavailableError, match="5 threads did not start: can't start new thread"):
        Threads(5).__enter__()
    assert not threads_up() - before


def test_an_interrupt_while_threads_start_leaves_none_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threads_up()
    wait = threading.Barrier.wait

    def interrupted(barrier: threading.Barrier, timeout: float | None = None) -> int:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return wait(barrier, timeout)

    monkeypatch.setattr(threading.Barrier, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Threads(3).__enter__()
    assert not threads_up() - before


def test_the_threads_are_those_of_the_standard_library() -> None:
    with Threads(1) as strategy:
        assert type(strategy._pool) is ThreadPoolExecutor
