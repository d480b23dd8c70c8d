"""What came of a Celery message: the outcome of each of its tasks, with the time of every hop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.fleet.roster import Offset
from worker.contract import LOST, Failure, Hops, Outcome, Payload, Task
from worker.messages import Answer, Entry, ForeignMessageError
from worker.payloads.transport import PayloadMissingError, Reference

LEFT_OUT = Failure(LOST, "the worker's answer leaves this task out")


@dataclass(slots=True)
class Shipment:
    """One message under way: its tasks, where their inputs lie, and when it left (seconds, our clock)."""

    tasks: Sequence[Task]
    references: Sequence[Reference]
    size: int
    started_at: float
    sent_at: float = 0.0


def answer_of(meta: Mapping[str, Any]) -> Answer:
    """The answer that a task's result holds.

    Raises:
        ForeignMessageError: the task did not return one: its process died, its time was up, or it is not ours.
    """
    if meta["status"] != "SUCCESS":
        result = meta["result"]
        raise ForeignMessageError(
            f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else str(result)
        )
    return Answer.from_result(meta["result"])


def unanswered(shipment: Shipment, meta: Mapping[str, Any], error: ForeignMessageError) -> Iterator[Outcome]:
    """Every task of a message that has no answer, with Celery's own word on it as the failure."""
    result = meta["result"]
    name = type(result).__name__ if isinstance(result, BaseException) else type(error).__name__
    failure = Failure(LOST if name == "WorkerLostError" else name, str(error))
    for task in shipment.tasks:
        yield Outcome(task.id, failure=failure)


def outcomes(
    shipment: Shipment,
    answer: Answer,
    outputs: Mapping[int, Payload | PayloadMissingError | None],
    done_at: float,
    offset: Offset | None,
) -> Iterator[Outcome]:
    """Each task's outcome.

    Args:
        shipment: the message as it was sent.
        answer: what the worker answered.
        outputs: task id to its output, here; `None` for one that stays in the payload store.
        done_at: when the outputs were here, seconds of our monotonic clock.
        offset: how far the worker's clock is ahead of ours.
    """
    entries = {entry.task_id: entry for entry in answer.entries}
    for task in shipment.tasks:
        entry = entries.get(task.id)
        if entry is None:
            yield Outcome(task.id, failure=LEFT_OUT)
            continue
        hops = _hops(entry, shipment, done_at, offset)
        output = outputs.get(task.id)
        if entry.failure is not None:
            yield Outcome(task.id, failure=entry.failure, hops=hops, slot=answer.slot)
        elif isinstance(output, PayloadMissingError):
            yield Outcome(task.id, failure=Failure(LOST, str(output)), hops=hops, slot=answer.slot)
        else:
            yield Outcome(task.id, output, hops=hops, slot=answer.slot)


def _hops(entry: Entry, shipment: Shipment, done_at: float, offset: Offset | None) -> Hops:
    """The task's time, leg by leg; what crosses machines is shifted by the worker's clock offset."""
    shift = None if offset is None else offset.offset_s
    return Hops(
        compute_s=entry.compute_s,
        compute_cpu_s=entry.compute_cpu_s,
        publish_s=shipment.sent_at - shipment.started_at,
        queue_s=None if shift is None else entry.started_at - shift - shipment.sent_at,
        fetch_s=entry.fetch_s,
        store_s=entry.store_s,
        return_s=None if shift is None else done_at - (entry.ended_at - shift),
        latency_s=done_at - shipment.started_at,
        clock_bound_s=None if offset is None else offset.bound_s,
    )
