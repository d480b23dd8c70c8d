"""Answers that nobody awaits: heard again, done again, or of a batch that was given up."""

from __future__ import annotations

from typing import Any

from orchestrator.strategies.celery.cleanup import MOST_KEPT, Cleanup
from orchestrator.strategies.celery.outcomes import InFlightMessage, answer_of
from worker.contract import Task
from worker.messages import TaskReply, TaskResult
from worker.payloads.transport import Reference

OUTPUT: Reference = {"key": "breakeven-1:out:0", "size": 1, "shape": None}


class Deleted:
    """Stands for the transport and for the stored results; keeps what it is told to delete."""

    def __init__(self) -> None:
        self.payloads: list[Reference] = []
        self.ids: list[str] = []

    def delete(self, references: list[Reference]) -> None:
        self.payloads += references

    def forget(self, ids: list[str]) -> None:
        self.ids += ids


def result(started_at: float = 1.0, slot: str = "a") -> dict[str, Any]:
    """A result as Celery tells of it, of a message of one task that `slot` began at `started_at`."""
    entry = TaskResult(0, OUTPUT, None, started_at, 0.0, 0.1, 0.1, 0.0, started_at + 0.1)
    return {"status": "SUCCESS", "result": TaskReply("worker", slot, [entry]).as_result()}


def answered(meta: dict[str, Any]) -> tuple[Cleanup, Deleted]:
    """Leavings of a batch of one message that was answered so."""
    kept = Deleted()
    leavings = Cleanup(kept, kept)  # type: ignore[arg-type]  # all of them that is used
    leavings.begin()
    leavings.answered("id", InFlightMessage([Task(0, "decode", "asarray", "")], [], 0, 0.0), answer_of(meta))
    return leavings, kept


def test_an_answer_that_is_heard_twice_is_one() -> None:
    leavings, kept = answered(result())
    assert leavings.unawaited("id", result(), keep=False) is None
    leavings.clear()
    assert leavings.duplicated == 0
    assert kept.payloads == []


def test_a_message_that_was_done_twice_is_counted_whoever_did_it() -> None:
    leavings, kept = answered(result(started_at=1.0, slot="a"))
    assert leavings.unawaited("id", result(started_at=2.0, slot="a"), keep=False) == "a task was done twice"
    assert leavings.unawaited("id", result(started_at=1.0, slot="b"), keep=False) == "a task was done twice"
    leavings.clear()
    assert leavings.duplicated == 2
    assert kept.payloads == [OUTPUT, OUTPUT]


def test_the_first_answer_to_a_message_that_was_given_up_is_no_second_one() -> None:
    leavings, kept = answered(result())
    leavings.give_up("late", InFlightMessage([Task(1, "decode", "asarray", "")], [], 0, 0.0))
    said = leavings.unawaited("late", result(), keep=False)
    leavings.clear()
    assert said == "a worker was still busy with an earlier batch"
    assert (leavings.duplicated, kept.ids) == (0, ["id", "late"])


def test_results_outlive_their_batch_until_the_workers_were_asked_unless_they_are_many() -> None:
    leavings, kept = answered(result())
    leavings.unawaited("id", result(started_at=2.0), keep=False)
    leavings.end()
    assert (kept.payloads, kept.ids) == ([OUTPUT], [])
    leavings.clear()
    assert kept.ids == ["id", "id"]
    for number in range(MOST_KEPT // 2):
        leavings.answered(str(number), InFlightMessage([Task(0, "decode", "asarray", "")], [], 0, 0.0), None)
    leavings.end()
    assert len(kept.ids) == 2 + MOST_KEPT // 2
