"""What came of a Celery message: the outcome of each of its tasks, with the time of every hop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from orchestrator.fleet.workers import Offset
from orchestrator.model.runs import Stations
from worker.contract import LOST, Failure, Hops, Outcome, Payload, Task
from worker.messages import ForeignMessageError, TaskReply, TaskResult
from worker.payloads.transport import PayloadMissingError, Reference

LEFT_OUT = Failure(LOST, "the worker's answer leaves this task out")


@dataclass(slots=True)
class InFlightMessage:
    """One message under way: its tasks, where their inputs lie, and when it left (seconds, our clock)."""

    tasks: Sequence[Task]
    references: Sequence[Reference]
    size: int
    started_at: float
    sent_at: float = 0.0
    accepted: bool = False
    """Whether the broker has confirmed it; where the connection broke in between, nobody knows."""

    def lost(self, why: str) -> Iterator[Outcome]:
        """The outcome of each of its tasks where no answer will come."""
        yield from (Outcome(task.id, failure=Failure(LOST, why)) for task in self.tasks)


@dataclass(slots=True)
class Tally:
    """Adds up what one batch asks of each station, while it goes on."""

    waited_before_s: float
    publish_s: float = 0.0
    slot_s: float = 0.0
    payload_bytes: int = 0
    messages: int = 0
    began_at: float = 0.0
    broker_cpu_before_s: float | None = None
    stations: Stations | None = None

    def begin(self) -> None:
        """The exchange begins: from now on the orchestrator publishes, collects or waits."""
        self.began_at = time.monotonic()

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Counts the time within as spent on publishing."""
        started = time.monotonic()
        yield
        self.publish_s += time.monotonic() - started

    def count(self, shipment: InFlightMessage, answer: TaskReply, copies: int) -> None:
        """Add one answered message; each payload was moved `copies` times, in and out of the store."""
        self.messages += 1
        self.slot_s += sum(entry.ended_at - entry.started_at for entry in answer.entries)
        outputs = sum(entry.output.get("size", 0) for entry in answer.entries if entry.output is not None)
        self.payload_bytes += copies * (shipment.size + outputs)

    def end(self, waited_s: float, broker_cpu_s: Callable[[], float | None]) -> None:
        """The exchange is over; what was neither publishing nor waiting was collecting.

        Args:
            waited_s: what the collector has waited, all in all.
            broker_cpu_s: asks for the CPU seconds that the broker has used, all in all.
        """
        waited = waited_s - self.waited_before_s
        collect_s = time.monotonic() - self.began_at - self.publish_s - waited
        before, after = self.broker_cpu_before_s, broker_cpu_s()
        used = None if before is None or after is None else after - before
        self.stations = Stations(
            self.publish_s, collect_s, self.slot_s, self.payload_bytes, self.messages, used
        )


def answer_of(meta: Mapping[str, Any]) -> TaskReply:
    """The answer that a task's result holds.

    Raises:
        ForeignMessageError: the task did not return one: its process died, its time was up, or it is not ours.
    """
    if meta["status"] != "SUCCESS":
        result = meta["result"]
        raise ForeignMessageError(
            f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else str(result)
        )
    return TaskReply.from_result(meta["result"])


def unanswered(
    shipment: InFlightMessage, meta: Mapping[str, Any], error: ForeignMessageError
) -> Iterator[Outcome]:
    """Every task of a message that ended without an answer, with Celery's own word on it as the failure."""
    result = meta["result"]
    name = type(result).__name__ if isinstance(result, BaseException) else type(error).__name__
    failure = Failure(name, str(error))
    for task in shipment.tasks:
        yield Outcome(task.id, failure=failure)


def outcomes(
    shipment: InFlightMessage,
    answer: TaskReply,
    outputs: Mapping[int, Payload | PayloadMissingError | None],
    done_at: float,
    offset: Offset | None,
) -> Iterator[Outcome]:
    """Each task's outcome; to be made at once, or the message and its answer would have to be kept, payloads included.

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


def _hops(entry: TaskResult, shipment: InFlightMessage, done_at: float, offset: Offset | None) -> Hops:
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
