from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.strategies import threads, timed_row
from orchestrator.strategies.threads import Threads
from orchestrator.strategies.timed_row import TimedRow
from worker.contract import Failure, Outcome, Task
from worker.execution import HOLD_S, MOST_HELD, Done, outcome_of

TASKS = [Task(i, "decode", str(i), b"") for i in range(20 * MOST_HELD)]


def answer(_stage: str, _kernel: str, payload: bytes) -> Done:
    return payload, None, 0.0


def test_all_threads_are_up_on_entering_and_gone_on_leaving() -> None:
    before = threading.active_count()
    with Threads(5):
        assert before + 5 == threading.active_count()
    assert before == threading.active_count()


def test_every_slot_works_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4, timeout=10)

    def timed(stage: str, kernel: str, payload: bytes) -> Done:
        together.wait()
        return answer(stage, kernel, payload)

    monkeypatch.setattr(threads, "timed", timed)
    with Threads(4) as strategy:
        assert len({outcome.slot for outcome in strategy.run(TASKS[:4])}) == 4


def test_closing_waits_for_tasks_begun_and_does_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, go_on, done = threading.Event(), threading.Event(), []

    def timed(stage: str, kernel: str, payload: bytes) -> Done:
        if kernel == "1":
            at_work.set()
            assert go_on.wait(10)
        done.append(int(kernel))
        return payload, None, 1.01 * HOLD_S

    monkeypatch.setattr(threads, "timed", timed)
    with Threads(1) as strategy:
        outcomes = strategy.run(TASKS[:10])
        next(outcomes)
        assert at_work.wait(10)
        calls = strategy._calls

        class Calling:
            """The calls; what is at work goes on once it is called together, which is after tasks were taken back."""

            def put(self, call: threading.Barrier | bool) -> None:
                calls.put(call)
                go_on.set()

            def get(self) -> threading.Barrier | bool:
                return calls.get()

        with monkeypatch.context() as patch:
            patch.setattr(strategy, "_calls", Calling())
            outcomes.close()  # type: ignore[attr-defined]
        assert done == [0, 1]
        assert [outcome.task_id for outcome in strategy.run(TASKS[7:9])] == [7, 8]


@pytest.mark.parametrize("count", [1, MOST_HELD - 1, MOST_HELD, MOST_HELD + 1, 2 * MOST_HELD + 5])
def test_outcomes_are_kept_while_there_are_tasks_to_begin_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(threads, "timed", answer)
    with Threads(1) as strategy:
        rows = [[outcome.task_id for outcome in row] for row in strategy.rows(TASKS[:count])]
    ids = [task.id for task in TASKS[:count]]
    assert rows == [ids[at : at + MOST_HELD] for at in range(0, count, MOST_HELD)]


def test_a_batch_with_no_task_is_over_at_once_and_so_is_the_one_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "timed", answer)
    with Threads(3) as strategy:
        assert list(strategy.run([])) == []
        assert [outcome.task_id for outcome in strategy.run(TASKS[:1])] == [0]


def test_making_outcomes_is_left_to_whoever_looks_at_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def noted(task_id: int, done: Done, cpu_share: float, slot: str | None) -> Outcome:
        made.append(task_id)
        return outcome_of(task_id, done, cpu_share, slot)

    monkeypatch.setattr(threads, "timed", answer)
    monkeypatch.setattr(timed_row, "outcome_of", noted)
    with Threads(2) as strategy:
        rows = list(strategy.rows(TASKS))
    assert made == []
    assert sorted(outcome.task_id for row in rows for outcome in row) == [task.id for task in TASKS]


def test_what_took_long_is_handed_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def timed(stage: str, kernel: str, payload: bytes) -> Done:
        if kernel == "1":
            assert go_on.wait(10)
        return payload, None, 1.01 * HOLD_S

    monkeypatch.setattr(threads, "timed", timed)
    with Threads(1) as strategy:
        outcomes = strategy.run(TASKS[:3])
        assert next(outcomes).task_id == 0
        go_on.set()
        assert [outcome.task_id for outcome in outcomes] == [1, 2]


class Interrupting(SimpleQueue[TimedRow]):
    """Whoever waits for a row is interrupted when it is there."""

    def get(self, block: bool = True, timeout: float | None = None) -> TimedRow:
        super().get(block, timeout)
        raise KeyboardInterrupt


def test_a_batch_that_is_interrupted_within_the_strategy_leaves_it_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "timed", answer)
    with Threads(2) as strategy:
        monkeypatch.setattr(strategy, "_done", Interrupting())
        with pytest.raises(KeyboardInterrupt):
            list(strategy.run(TASKS))
        monkeypatch.undo()
        monkeypatch.setattr(threads, "timed", answer)
        assert sorted(outcome.task_id for outcome in strategy.run(TASKS[-9:])) == [
            task.id for task in TASKS[-9:]
        ]


def test_an_outcome_is_handed_over_beside_a_task_that_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def timed(stage: str, kernel: str, payload: bytes) -> Done:
        if kernel == "0":
            assert go_on.wait(10)
        return answer(stage, kernel, payload)

    monkeypatch.setattr(threads, "timed", timed)
    with Threads(2) as strategy:
        outcomes = strategy.run(TASKS[:10])
        assert {next(outcomes).task_id for _ in range(9)} == set(range(1, 10))
        go_on.set()
        assert next(outcomes).task_id == 0


def test_a_kernel_that_would_end_its_thread_fails_its_task_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(stage: str, kernel: str, payload: bytes) -> Done:
        if kernel == "1":
            raise SystemExit("enough")
        return answer(stage, kernel, payload)

    monkeypatch.setattr(threads, "timed", timed)
    with Threads(1) as strategy:
        outcomes = list(strategy.run(TASKS[:3]))
    assert [None, Failure("SystemExit", "enough"), None] == [outcome.failure for outcome in outcomes]
    assert outcomes[1].hops is None


def test_threads_that_cannot_start_are_reported_and_those_that_did_are_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = threading.active_count()
    start = threading.Thread.start

    def start_two(thread: threading.Thread) -> None:
        if threading.active_count() >= before + 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(UnavailableError, match="5 threads did not start: can't start new thread"):
        Threads(5).__enter__()
    assert before == threading.active_count()


def test_cpu_time_of_a_batch_that_was_left_is_not_the_next_one_s(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    class Numbered:
        """Instead of a share, how many there were before it."""

        def __init__(self) -> None:
            self._number = len(made)
            made.append(self)

        def share(self, compute_s: float) -> float:
            return float(self._number)

    def timed(stage: str, kernel: str, payload: bytes) -> Done:
        return payload, None, 1.0

    monkeypatch.setattr(threads, "CpuTime", Numbered)
    monkeypatch.setattr(threads, "timed", timed)
    with Threads(1) as strategy:
        for number in range(2):
            outcomes = strategy.run(TASKS)
            hops = next(outcomes).hops
            assert hops is not None
            assert hops.compute_cpu_s == number
            outcomes.close()  # type: ignore[attr-defined]
