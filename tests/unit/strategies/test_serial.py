from __future__ import annotations

from itertools import islice

import pytest

from orchestrator.strategies import serial
from orchestrator.strategies.serial import Serial
from worker.contract import Task
from worker.execution import HOLD_S, MOST_HELD, Done

TASKS = [Task(i, "decode", str(i), b"") for i in range(2 * MOST_HELD + 1)]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tasks done so far; each takes as many seconds as its payload says, or none."""
    done: list[int] = []

    def timed(stage: str, kernel: str, payload: bytes) -> Done:
        done.append(int(kernel))
        return payload, None, float(payload or 0)

    monkeypatch.setattr(serial, "timed", timed)
    return done


def test_tasks_are_done_only_when_an_outcome_is_asked_for_and_a_few_at_a_time(done: list[int]) -> None:
    outcomes = Serial(1).run(TASKS)
    assert done == []
    assert [outcome.task_id for outcome in islice(outcomes, MOST_HELD)] == list(range(MOST_HELD))
    assert done == list(range(MOST_HELD))
    assert [outcome.task_id for outcome in outcomes] == list(range(MOST_HELD, len(TASKS)))
    assert done == list(range(len(TASKS)))


def test_what_took_long_is_handed_over_at_once(done: list[int]) -> None:
    slow = str(1.01 * HOLD_S).encode()
    outcomes = Serial(1).run([Task(task.id, "decode", task.kernel, slow) for task in TASKS])
    assert [next(outcomes).task_id for _ in range(3)] == [0, 1, 2]
    assert done == [0, 1, 2]
