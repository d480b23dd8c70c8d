"""One Celery batch: publish its messages within the window, and collect their replies."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from celery.states import RETRY, SUCCESS

from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import CONNECTION_ERRORS
from orchestrator.fleet.processor_time import processor_wait_s
from orchestrator.model.flow_control import (
    BURST_AFTER_PER_SLOT,
    BURST_MESSAGES,
    MAX_IN_FLIGHT_BYTES,
    MAX_IN_FLIGHT_MESSAGES,
)
from orchestrator.strategies.arrivals import Arrivals
from orchestrator.strategies.celery.cleanup import Cleanup
from orchestrator.strategies.celery.connection import Connection
from orchestrator.strategies.celery.outcomes import InFlightMessage, exception_of, failed, outcomes, reply_of
from orchestrator.strategies.celery.watchdog import CHECK_AFTER_S, SLOW_S, Watchdog
from worker.contract import Outcome, Task
from worker.envelope import MAX_MESSAGE_BYTES
from worker.messages import STORE_FAILED, VERSION, ForeignMessageError, TaskMessage, TaskReply
from worker.tasks import task_name

OUTPUT_BUFFER_OVERFLOWED: Final = (
    "the broker closed a connection, because its client-output-buffer-limit is too small for these payloads; set it "
    "with CONFIG SET client-output-buffer-limit 'pubsub 0 0 0', or use --transport redis"
)
REDELIVERED: Final = "a message was delivered a second time"
MAX_RECONNECTS: Final = 10  # in one batch; then the broker is given up
MIN_BYTES_PER_S: Final = 100_000  # a broker that moves payloads more slowly is disturbed
MAX_INLINE_BYTES: Final = MAX_MESSAGE_BYTES * 3 // 4 - (
    4 << 20
)  # of payloads, which base64 makes a third larger
RECEIVE_WAIT_S: Final = 0.5  # seconds to wait for a reply when nothing can be published


@dataclass(slots=True)
class Batch:
    """Runs `tasks` on `slots` slots, in messages of up to `chunk` tasks, and counts what they cost.

    Tasks that arrive while it runs are added to `tasks`; then the number of messages in flight has no limit, because a
    window would keep tasks back that have arrived.
    """

    connection: Connection
    cleanup: Cleanup
    key: str  # prefix of every message id and payload name
    slots: int
    tasks: list[Task]
    chunk: int
    note: Callable[[str], None]  # called with each disturbance
    arrivals: Arrivals | None = None
    unpublished: deque[int] = field(init=False)  # index of the first task of each chunk that is not in flight
    in_flight: dict[str, InFlightMessage] = field(default_factory=dict)
    bytes_in_flight: int = 0
    publish_s: float = 0.0  # spent on storing inputs and publishing
    publish_wait_s: float = 0.0  # of `publish_s`, spent waiting for a processor
    slot_s: float = 0.0  # for which answered tasks occupied a slot, summed
    payload_bytes: int = 0  # moved into and out of the payload store by answered messages
    messages: int = 0  # answered

    def __post_init__(self) -> None:
        self.unpublished = deque(range(0, len(self.tasks), self.chunk))

    @property
    def unfinished(self) -> Iterator[Task]:
        """Tasks that have no outcome yet."""
        for message in self.in_flight.values():
            yield from message.tasks
        for start in self.unpublished:
            yield from self.tasks[start : start + self.chunk]

    def run(self) -> Iterator[list[Outcome]]:
        """Publish and collect until every task has an outcome; yield those of one message at a time.

        Raises:
            UnavailableError: the broker does not come back, or its memory is full.
        """
        watchdog = Watchdog(self.connection.fleet, self.slots, self.note)
        reconnects = 0
        replied_at = checked_at = time.monotonic()
        while self._goes_on():
            if not self.in_flight:
                replied_at = checked_at = time.monotonic()
            try:
                self.cleanup.delete_if_many()
                published = self._publish()
                for found in self._receive(0.0 if published and self.unpublished else self._wait_s()):
                    replied_at = checked_at = time.monotonic()
                    yield found
                    published -= 1
                    if self.arrivals is not None and published < 0 and not self._wait_s():
                        break  # the next task has arrived
                if self.in_flight and time.monotonic() - checked_at > CHECK_AFTER_S:
                    yield from self._check(watchdog, time.monotonic() - replied_at)
                    checked_at = time.monotonic()
            except CONNECTION_ERRORS as error:
                reconnects += 1
                try:
                    if reconnects > MAX_RECONNECTS:
                        raise
                    self.connection.reconnect(error)
                    if self.connection.fleet.run_queue.output_buffer_overflowed():
                        self.note(OUTPUT_BUFFER_OVERFLOWED)
                finally:
                    self.note(f"a connection to the broker or the payload store broke ({error})")
                watchdog.missing = frozenset()

    def _goes_on(self) -> bool:
        """Return whether to go on, with the tasks that have arrived meanwhile."""
        if self.arrivals is None:
            return bool(self.unpublished or self.in_flight)
        if not self.unpublished:  # what is not published yet must not count as sent
            while len(self.unpublished) < BURST_MESSAGES and (task := self.arrivals.take()) is not None:
                self.unpublished.append(len(self.tasks))
                self.tasks.append(task)
        return self.arrivals.goes_on(bool(self.unpublished or self.in_flight))

    def _wait_s(self) -> float:
        """Return the seconds to wait for a reply when nothing can be published."""
        return RECEIVE_WAIT_S if self.arrivals is None else self.arrivals.wait_s(RECEIVE_WAIT_S)

    def _publish(self) -> int:
        """Publish as many chunks as the window allows in one round trip; return their number."""
        most_in_flight = MAX_IN_FLIGHT_MESSAGES if self.arrivals is None else len(self.tasks)
        room = most_in_flight - len(self.in_flight)
        if room <= 0 or not self.unpublished or self.bytes_in_flight >= MAX_IN_FLIGHT_BYTES:
            return 0
        bursts = self.arrivals is not None or len(self.in_flight) >= BURST_AFTER_PER_SLOT * self.slots
        most = min(room, len(self.unpublished), BURST_MESSAGES if bursts else 1)
        started_at, delayed_s = time.monotonic(), processor_wait_s() or 0.0
        with self.connection.publisher.burst() as flush:
            messages = [self._add()]
            while len(messages) < most and self.bytes_in_flight < MAX_IN_FLIGHT_BYTES:
                messages.append(self._add())
            sent_at = time.monotonic()
            for message in messages:
                message.sent_at = sent_at
            flush()
            self._note_if_slow(sent_at, sum(message.size for message in messages))
        self.publish_s += time.monotonic() - started_at
        self.publish_wait_s += (processor_wait_s() or 0.0) - delayed_s
        for message in messages:
            message.accepted = True
        return len(messages)

    def _add(self) -> InFlightMessage:
        """Store the inputs of the next chunk and add its message to the burst; it is in flight from then on."""
        started_at = time.monotonic()
        connection, start = self.connection, self.unpublished[0]
        chunk = self.tasks[start : start + self.chunk]
        id_ = f"{self.key}-{chunk[0].id}"
        references = connection.payload_io.store(self.key, chunk)
        inputs = [(task.id, reference) for task, reference in zip(chunk, references, strict=True)]
        size = sum(reference.get("size", 0) for reference in references)
        if size > MAX_INLINE_BYTES and any("raw" in reference for reference in references):
            raise UnavailableError(
                f"a message with {size / 1e6:.0f} MB of pictures is larger than workers accept "
                f"({MAX_INLINE_BYTES / 1e6:.0f} MB); use --transport redis or files, or a smaller --chunk"
            )
        content = TaskMessage(VERSION, id_, chunk[0].kernel, connection.transport_name, inputs)
        serializer = connection.transport.serializer
        connection.publisher.add(
            task_name(chunk[0].stage), id_, content.as_message(), serializer, _summary(content)
        )
        self._note_if_slow(started_at, size)
        message = self.in_flight[id_] = InFlightMessage(start, chunk, references, size, started_at)
        self.bytes_in_flight += size
        self.unpublished.popleft()
        return message

    def _receive(self, wait_s: float) -> Iterator[list[Outcome]]:
        """Yield the outcomes of each message that is answered."""
        for id_, meta in self.connection.results.receive(self.in_flight, wait_s, self._note_if_slow):
            message = self.in_flight.get(id_)
            if message is None:
                resident = self.connection.payload_io.resident and id_.startswith(f"{self.key}-")
                disturbance = self.cleanup.unexpected(id_, meta, keep_outputs=resident)
                if disturbance is not None:
                    self.note(disturbance)
            elif meta["status"] == RETRY:
                text = exception_of(meta)[1]  # nothing else in the result names the signal
                why = "; it was probably out of memory" if "SIGKILL" in text else ""
                self.note(f"a worker lost a slot process during a task ({text}{why})")
            else:
                yield self._collect(id_, message, meta)

    def _collect(self, id_: str, message: InFlightMessage, meta: dict[str, Any]) -> list[Outcome]:
        """Fetch the outputs of an answered message and return its outcomes.

        The message stays in flight until its outputs are here: if the connection breaks before, its result is
        looked up and collected again.
        """
        started_at = time.monotonic()
        try:
            reply = reply_of(meta)
            outputs = self.connection.payload_io.take(reply.results)
        except ForeignMessageError as error:
            self._finish(id_, None)
            self.note(f"a message ended without a reply ({error})")
            kind = type(error).__name__ if meta["status"] == SUCCESS else exception_of(meta)[0]
            return failed(message.tasks, str(error), kind)
        self._finish(id_, reply)
        self._note_if_slow(started_at, _output_bytes(reply))
        if reply.repeated:
            self.note(f"{REDELIVERED}, to worker {reply.worker}")
        for result in reply.results:
            if result.failure is not None and result.failure.type == STORE_FAILED:
                self.note(f"worker {reply.worker} could not use the payload store: {result.failure.message}")
        self.messages += 1
        self.slot_s += sum(result.ended_at - result.started_at for result in reply.results)
        self.payload_bytes += self.connection.payload_io.copies * (message.size + _output_bytes(reply))
        offset = self.connection.fleet.offset_of(reply.worker)
        return outcomes(message, reply, outputs, time.monotonic(), offset)

    def _check(self, watchdog: Watchdog, quiet_s: float) -> Iterator[list[Outcome]]:
        """Give up messages that will get no reply; publish again those that the broker never received."""
        unanswerable = watchdog.check(self.in_flight, quiet_s)
        for id_ in unanswerable.unsent:
            self.unpublished.append(self._remove(id_).start)
        if unanswerable.lost or unanswerable.unsent:
            self.connection.publisher.declare()
        for id_ in unanswerable.lost:
            message = self._remove(id_)
            self.cleanup.give_up(id_, message.references)
            self.note(f"not every message got a reply: {unanswerable.reason}")
            yield failed(message.tasks, f"no reply: {unanswerable.reason}")

    def _note_if_slow(self, started_at: float, size: int) -> None:
        """Note a disturbance if moving `size` bytes took longer than a healthy network needs."""
        took_s = time.monotonic() - started_at
        if took_s > SLOW_S + size / MIN_BYTES_PER_S:
            self.note(f"the broker took {took_s:.1f} s to answer")

    def _finish(self, id_: str, reply: TaskReply | None) -> None:
        self.cleanup.answered(id_, self._remove(id_).references, reply)

    def _remove(self, id_: str) -> InFlightMessage:
        message = self.in_flight.pop(id_)
        self.bytes_in_flight -= message.size
        return message


def _output_bytes(reply: TaskReply) -> int:
    return sum(result.output.get("size", 0) for result in reply.results if result.output is not None)


def _summary(content: TaskMessage) -> str:
    """Return what Flower shows as the message's arguments: short, without addresses or payloads."""
    ids = [id_ for id_, _ in content.tasks]
    span = f"image {ids[0]}" if len(ids) == 1 else f"images {ids[0]} to {ids[-1]}"
    return f"{content.kernel}, {span}, {content.transport}"
