from __future__ import annotations

from itertools import islice

import pytest

from orchestrator.strategies import serial
from orchestrator.strategies.serial import Serial
from worker.contract import Outcome, Task


def test_a_task_is_done_only_when_its_outcome_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def execute(task: Task, slot: str) -> Outcome:
        done.append(task.id)
        return Outcome(task.id, slot=slot)

    monkeypatch.setattr(serial, "execute", execute)
    outcomes = Serial(1).run([Task(i, "decode", "asarray", b"") for i in range(9)])
    assert done == []
    assert [outcome.task_id for outcome in islice(outcomes, 3)] == [0, 1, 2]
    assert done == [0, 1, 2]
