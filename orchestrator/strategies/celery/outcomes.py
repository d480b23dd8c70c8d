"""A message in flight, and the outcome that its reply gives each of its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from celery.states import FAILURE, SUCCESS

from orchestrator.fleet.workers import Offset
from worker.contract import LOST, Failure, Hops, Outcome, Payload, Task
from worker.messages import ForeignMessageError, TaskReply, TaskResult
from worker.payloads.transport import PayloadMissingError, Reference
from worker.redaction import escape_control

NOT_IN_REPLY: Final = Failure(LOST, "the worker's reply does not mention this task")


@dataclass(slots=True)
class InFlightMessage:
    """A message that was published and not yet answered; times are in seconds of our monotonic clock."""

    start: int  # index of its first task in the batch
    tasks: Sequence[Task]
    references: Sequence[Reference]  # to the stored inputs
    size: int  # bytes of the inputs
    started_at: float  # when storing the inputs began
    sent_at: float = 0.0  # when its burst was published
    accepted: bool = False  # whether the broker confirmed it; False if the connection broke before


def failed(tasks: Iterable[Task], message: str, kind: str = LOST) -> list[Outcome]:
    """Return the same failure for each task, such as those that will get no reply."""
    return [Outcome(task.id, failure=Failure(kind, message)) for task in tasks]


def reply_of(meta: Mapping[str, Any]) -> TaskReply:
    """Return the reply in a Celery result.

    Raises:
        ForeignMessageError: the task did not return one: its process died, it ran out of time, or it is not ours.
    """
    if meta["status"] != SUCCESS:
        raise ForeignMessageError(": ".join(exception_of(meta)))
    return TaskReply.from_result(meta["result"])


def exception_of(meta: Mapping[str, Any]) -> tuple[str, str]:
    """Return the type and the message of the exception in a Celery result, as one printable line each."""
    result = meta["result"]
    if not isinstance(result, dict):
        return "Exception", escape_control(str(result), longest=300)
    arguments = result.get("exc_message")
    text = " ".join(map(str, arguments)) if isinstance(arguments, list | tuple) else str(arguments)
    return escape_control(str(result.get("exc_type")), longest=100), escape_control(text, longest=300)


def failed_result(id_: str, error: Exception) -> dict[str, Any]:
    """Return a Celery result for a task whose own result cannot be used."""
    result = {"exc_type": type(error).__name__, "exc_message": f"its result was rejected: {error}"}
    return {"task_id": id_, "status": FAILURE, "result": result}


def outcomes(
    message: InFlightMessage,
    reply: TaskReply,
    outputs: Mapping[int, Payload | PayloadMissingError],
    done_at: float,
    offset: Offset | None,
) -> list[Outcome]:
    """Return one outcome for each of the message's tasks.

    Args:
        message: the message as it was sent.
        reply: the worker's reply to it.
        outputs: fetched outputs by task id; resident outputs are not in it.
        done_at: when the outputs were here, in seconds of our monotonic clock.
        offset: how far the worker's clock is ahead of ours; `None` if unknown.
    """
    results = {result.task_id: result for result in reply.results}
    found = []
    for task in message.tasks:
        result = results.get(task.id)
        if result is None:
            found.append(Outcome(task.id, failure=NOT_IN_REPLY))
            continue
        output, failure = outputs.get(task.id), result.failure
        if isinstance(output, PayloadMissingError):
            output, failure = None, failure or Failure(LOST, str(output))
        hops = _hops(result, message, done_at, offset)
        found.append(Outcome(task.id, None if failure else output, failure, hops, reply.slot))
    return found


def _hops(result: TaskResult, message: InFlightMessage, done_at: float, offset: Offset | None) -> Hops:
    """Split the task's latency into hops; shift the worker's times by its clock offset."""
    shift = None if offset is None else offset.offset_s
    return Hops(
        compute_s=result.compute_s,
        compute_cpu_s=result.compute_cpu_s,
        publish_s=message.sent_at - message.started_at,
        queue_s=None if shift is None else result.started_at - shift - message.sent_at,
        fetch_s=result.fetch_s,
        store_s=result.store_s,
        return_s=None if shift is None else done_at - (result.ended_at - shift),
        latency_s=done_at - message.started_at,
        clock_bound_s=None if offset is None else offset.bound_s,
    )
