"""Replies that nothing waits for: received again, of a second execution, or of a batch that was given up."""

from __future__ import annotations

from typing import Any

from orchestrator.strategies.celery.cleanup import MAX_PENDING, Cleanup
from orchestrator.strategies.celery.outcomes import reply_of
from worker.messages import TaskReply, TaskResult
from worker.payloads.transport import Reference

OUTPUT: Reference = {"key": "breakeven-1:out:0", "size": 1, "shape": None}


class Deleted:
    """Stands for the transport and for the stored results; keeps what it is asked to delete."""

    def __init__(self) -> None:
        self.payloads: list[Reference] = []
        self.ids: list[str] = []

    def delete(self, references: list[Reference]) -> None:
        self.payloads += references

    def discard(self, ids: list[str]) -> None:
        self.ids += ids


def result(started_at: float = 1.0, slot: str = "a") -> dict[str, Any]:
    """Return a Celery result of a message of one task that `slot` began at `started_at`."""
    entry = TaskResult(0, OUTPUT, None, started_at, 0.0, 0.1, 0.1, 0.0, started_at + 0.1)
    return {"status": "SUCCESS", "result": TaskReply("worker", slot, [entry]).as_result()}


def cleanup_after(meta: dict[str, Any]) -> tuple[Cleanup, Deleted]:
    """Return the cleanup of a batch of one message that got this reply."""
    kept = Deleted()
    cleanup = Cleanup(kept, kept)  # type: ignore[arg-type]  # all of them that is used
    cleanup.answered("id", [], reply_of(meta))
    return cleanup, kept


def test_a_reply_that_is_received_twice_is_one() -> None:
    cleanup, kept = cleanup_after(result())
    assert cleanup.unexpected("id", result(), keep_outputs=False) is None
    cleanup.delete()
    assert cleanup.duplicated == 0
    assert kept.payloads == []


def test_a_second_execution_is_counted_in_the_same_slot_and_in_another() -> None:
    cleanup, kept = cleanup_after(result(started_at=1.0, slot="a"))
    assert (
        cleanup.unexpected("id", result(started_at=2.0, slot="a"), keep_outputs=False)
        == "a task was executed twice"
    )
    assert (
        cleanup.unexpected("id", result(started_at=1.0, slot="b"), keep_outputs=False)
        == "a task was executed twice"
    )
    cleanup.delete()
    assert cleanup.duplicated == 2
    assert kept.payloads == [OUTPUT, OUTPUT]


def test_the_first_reply_to_a_message_that_was_given_up_is_no_duplicate() -> None:
    cleanup, kept = cleanup_after(result())
    cleanup.give_up("late", [])
    said = cleanup.unexpected("late", result(), keep_outputs=False)
    cleanup.delete()
    assert said == "a worker was still busy with an earlier batch"
    assert (cleanup.duplicated, kept.ids) == (0, ["id", "late"])


def test_results_are_kept_until_the_workers_were_asked_unless_they_are_many() -> None:
    cleanup, kept = cleanup_after(result())
    cleanup.unexpected("id", result(started_at=2.0), keep_outputs=False)
    cleanup.end_batch()
    assert (kept.payloads, kept.ids) == ([OUTPUT], [])
    cleanup.delete()
    assert kept.ids == ["id", "id"]
    for number in range(MAX_PENDING // 2):
        cleanup.answered(str(number), [], None)
    cleanup.end_batch()
    assert len(kept.ids) == 2 + MAX_PENDING // 2
