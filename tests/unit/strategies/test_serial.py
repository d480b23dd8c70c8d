from __future__ import annotations

from itertools import islice

import pytest

from orchestrator.strategies.serial import Serial
from worker.contract import Outcome, Task

TASKS = [Task(i, "decode", "asarray", b"") for i in range(10)]


def test_a_task_is_done_when_its_outcome_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def execute(task: Task, slot: str) -> Outcome:
        done.append(task.id)
        return Outcome(task.id, slot=slot)

    monkeypatch.setattr("orchestrator.strategies.serial.execute", execute)
    with Serial(1) as strategy:
        outcomes = strategy.run(TASKS)
        assert [outcome.task_id for outcome in islice(outcomes, 3)] == done == [0, 1, 2]
        outcomes.close()
        assert done == [0, 1, 2]
        assert [outcome.task_id for outcome in strategy.run(TASKS[5:])] == [5, 6, 7, 8, 9]
