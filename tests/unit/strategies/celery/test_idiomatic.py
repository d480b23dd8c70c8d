"""What the idiomatic row makes of answers: right ones, and those that anyone could have written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.strategies.celery.idiomatic import IdiomaticCelery
from worker.contract import Task
from worker.envelope import OversizedMessageError, RejectedMessageError
from worker.payloads import codec

TASK = Task(3, "grayscale", "numpy", b"")
RIGHT = {
    "compute_s": 0.1,
    "compute_cpu_s": 0.1,
    "failure": None,
    "output": codec.to_base64(b"hello"),
    "slot": "host:1",
}


class Result:
    """A result that gives, or raises, one answer after another."""

    def __init__(self, *answers: Any) -> None:
        self._answers = iter(answers)

    def get(self, **_: Any) -> Any:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def successful(self) -> bool:
        return True


def outcome_of(*answers: Any) -> Any:
    strategy = IdiomaticCelery(2, SimpleNamespace(answer_timeout_s=5.0), "inline", 1, "local")
    return strategy._get(TASK, Result(*answers))


def test_a_right_answer_is_the_outcome_also_after_messages_that_are_no_result() -> None:
    outcome = outcome_of(RejectedMessageError("not JSON"), RIGHT)
    assert (outcome.task_id, outcome.output, outcome.slot) == (3, b"hello", "host:1")


@pytest.mark.parametrize(
    "changed",
    [
        {"compute_s": None},
        {"compute_s": "nan"},
        {"compute_cpu_s": -1.0},
        {"failure": ["one"]},
        {"output": "no base64!"},
        {"output": 5},
    ],
)
def test_an_answer_that_is_none_of_ours_fails_its_task_alone(changed: dict[str, Any]) -> None:
    outcome = outcome_of({**RIGHT, **changed})
    assert outcome.failure.type == "ForeignMessageError"
    assert outcome.task_id == 3


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_an_answer_without_the_parts_of_ours_fails_its_task_alone(value: Any) -> None:
    assert outcome_of(value).failure.type == "ForeignMessageError"


def test_an_answer_that_is_too_large_fails_its_task_alone() -> None:
    assert outcome_of(OversizedMessageError("300 MB")).failure.type == "OversizedMessageError"
