"""One Celery batch on its way: published while there is room, taken in as it is answered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from celery.states import RETRY

from orchestrator.fleet.connections import CONNECTION_ERRORS
from orchestrator.model.flow_control import (
    BURST_AFTER_PER_SLOT,
    BURST_MESSAGES,
    MAX_IN_FLIGHT_BYTES,
    MAX_IN_FLIGHT_MESSAGES,
)
from orchestrator.strategies.base import Row
from orchestrator.strategies.celery.connection import Connection
from orchestrator.strategies.celery.outcomes import InFlightMessage, Tally, answer_of, outcomes, unanswered
from orchestrator.strategies.celery.watchdog import QUIET_S, SLOW_S, Watchdog
from worker.contract import Task
from worker.messages import STORE_FAILED, VERSION, ForeignMessageError, TaskMessage, TaskReply
from worker.tasks import task_name

MOST_BREAKS = 10
"""So often a connection may break in one batch."""

SLOWEST_BYTES_PER_S = 100_000
"""A broker that moves payloads more slowly than this is not well."""


class Chunks:
    """The chunks of a batch that are not under way, each made when it is asked for."""

    def __init__(self, tasks: Sequence[Task], size: int) -> None:
        """Begin with all of `tasks`, `size` at a time."""
        self._tasks, self._size, self._next = tasks, size, 0
        self._returned: deque[Sequence[Task]] = deque()

    def __len__(self) -> int:
        """How many there are."""
        return -((self._next - len(self._tasks)) // self._size) + len(self._returned)

    def __iter__(self) -> Iterator[Sequence[Task]]:
        """All of them, in the order in which they would go."""
        yield from (
            self._tasks[at : at + self._size] for at in range(self._next, len(self._tasks), self._size)
        )
        yield from self._returned

    @property
    def first(self) -> Sequence[Task]:
        """The chunk that is to go next, of which there must be one."""
        if self._next < len(self._tasks):
            return self._tasks[self._next : self._next + self._size]
        return self._returned[0]

    def drop_first(self) -> None:
        """Take it away: it is under way."""
        if self._next < len(self._tasks):
            self._next += self._size
        else:
            self._returned.popleft()

    def put_back(self, chunk: Sequence[Task]) -> None:
        """A chunk that was never sent is to go last."""
        self._returned.append(chunk)


@dataclass(slots=True)
class Batch:
    """A batch that `slots` slots do, a message for each of `chunks`; `key` begins every name of its.

    `note` is told what disturbs it.
    """

    way: Connection
    key: str
    slots: int
    chunks: Chunks
    tally: Tally
    note: Callable[[str], None]
    under_way: dict[str, InFlightMessage] = field(default_factory=dict)
    bytes_under_way: int = 0

    @property
    def left(self) -> Iterator[Task]:
        """The tasks that have no outcome yet."""
        for shipment in self.under_way.values():
            yield from shipment.tasks
        yield from chain.from_iterable(self.chunks)

    def exchange(self) -> Iterator[Row]:
        """Every task's outcome, a row a message, as it is answered or given up.

        Raises:
            UnavailableError: the broker went away, or takes no more.
        """
        watch = Watchdog(self.way.fleet, self.slots, self.note)
        breaks = 0
        heard_at = looked_at = time.monotonic()
        while self.chunks or self.under_way:
            try:
                self.way.leavings.clear_some()
                burst = self._send()
                for row in self._receive(0.0 if burst and self.chunks else 0.5):
                    heard_at = looked_at = time.monotonic()
                    yield row
                if self.under_way and time.monotonic() - looked_at > QUIET_S:
                    yield from self._look_after(watch, time.monotonic() - heard_at)
                    looked_at = time.monotonic()
            except CONNECTION_ERRORS as error:
                self.note(f"a connection to the broker or the payload store broke ({error})")
                breaks += 1
                if breaks > MOST_BREAKS:
                    raise
                self.way.reconnect(error)
                watch.missing = frozenset()

    def _send(self) -> int:
        """Publish as many chunks as there is room for, in one round trip; gives their number."""
        room = (
            MAX_IN_FLIGHT_MESSAGES - len(self.under_way) if self.bytes_under_way < MAX_IN_FLIGHT_BYTES else 0
        )
        burst = min(
            room,
            len(self.chunks),
            BURST_MESSAGES if len(self.under_way) >= BURST_AFTER_PER_SLOT * self.slots else 1,
        )
        if burst <= 0:
            return 0
        with self.tally.publishing(), self.way.publisher.burst() as flush:
            shipments = [self._add()]
            while len(shipments) < burst and self.bytes_under_way < MAX_IN_FLIGHT_BYTES:
                shipments.append(self._add())
            sent_at = time.monotonic()
            for shipment in shipments:
                shipment.sent_at = sent_at
            flush()
            self._expect_by(sent_at, sum(shipment.size for shipment in shipments))
        for shipment in shipments:
            shipment.accepted = True
        return len(shipments)

    def _add(self) -> InFlightMessage:
        """Store the next chunk's inputs and put its message into the burst; from then on it is under way."""
        started_at = time.monotonic()
        chunk, way = self.chunks.first, self.way
        id_ = f"{self.key}-{chunk[0].id}"
        references = way.placement.put(self.key, chunk)
        pairs = [(task.id, reference) for task, reference in zip(chunk, references, strict=True)]
        order = TaskMessage(VERSION, id_, chunk[0].kernel, way.transport_name, pairs)
        name, message = task_name(chunk[0].stage), order.as_message()
        way.publisher.add(name, id_, message, way.transport.serializer, _summary(order))
        size = sum(reference.get("size", 0) for reference in references)
        self._expect_by(started_at, size)
        shipment = InFlightMessage(chunk, references, size, started_at)
        self.under_way[id_] = shipment
        self.bytes_under_way += size
        self.chunks.drop_first()
        return shipment

    def _receive(self, wait_s: float) -> Iterator[Row]:
        """The outcomes of each message that is answered, as the answers come."""
        for id_, meta in self.way.results.receive(self.under_way, wait_s, self._expect_by):
            shipment = self.under_way.get(id_)
            if shipment is None:
                self._unawaited(id_, meta)
            elif meta["status"] == RETRY:
                self.note(f"a worker lost a slot process during a task ({meta['result']})")
            else:
                yield self._take_in(id_, shipment, meta)

    def _unawaited(self, id_: str, meta: dict[str, Any]) -> None:
        keep = self.way.placement.resident and id_.startswith(f"{self.key}-")
        what = self.way.leavings.unawaited(id_, meta, keep)
        if what is not None:
            self.note(what)

    def _take_in(self, id_: str, shipment: InFlightMessage, meta: dict[str, Any]) -> Row:
        """What one answer holds, with its outputs brought here.

        The message is under way until they are here: where the connection breaks before, it is answered again.
        """
        began_at = time.monotonic()
        try:
            answer = answer_of(meta)
            outputs = self.way.placement.take(answer.entries)
        except ForeignMessageError as error:
            self._ended(id_, None)
            self.note(f"a message ended without an answer ({error})")
            return [*unanswered(shipment, meta, error)]
        self._ended(id_, answer)
        self._expect_by(
            began_at, sum(entry.output.get("size", 0) for entry in answer.entries if entry.output)
        )
        if answer.repeated:
            self.note(f"a message was given a second time, to worker {answer.worker}")
        for entry in answer.entries:
            if entry.failure is not None and entry.failure.type == STORE_FAILED:
                self.note(f"worker {answer.worker} could not use the payload store: {entry.failure.message}")
        self.tally.count(shipment, answer, self.way.placement.copies)
        offset = self.way.fleet.offset_of(answer.worker)
        return [*outcomes(shipment, answer, outputs, time.monotonic(), offset)]

    def _look_after(self, watch: Watchdog, quiet_s: float) -> Iterator[Row]:
        """Give up what will not be answered; send again what was never sent."""
        fate = watch.look(self.under_way, quiet_s)
        for id_ in fate.unsent:
            shipment = self.under_way.pop(id_)
            self.bytes_under_way -= shipment.size
            self.chunks.put_back(shipment.tasks)
        for id_ in fate.lost:
            shipment = self.under_way.pop(id_)
            self.bytes_under_way -= shipment.size
            self.way.leavings.give_up(id_, shipment)
            self.note(f"no answer came to every message: {fate.why}")
            yield [*shipment.lost(f"no answer: {fate.why}")]

    def _expect_by(self, began_at: float, size: int) -> None:
        """Note it where moving so many bytes has taken longer than any network that is well."""
        took_s = time.monotonic() - began_at
        if took_s > SLOW_S + size / SLOWEST_BYTES_PER_S:
            self.note(f"the broker took {took_s:.1f} s to answer")

    def _ended(self, id_: str, answer: TaskReply | None) -> None:
        shipment = self.under_way.pop(id_)
        self.bytes_under_way -= shipment.size
        self.way.leavings.answered(id_, shipment, answer)


def _summary(order: TaskMessage) -> str:
    """What Flower shows as a message's arguments: short, and never an address or a payload."""
    ids = [id_ for id_, _ in order.tasks]
    span = f"image {ids[0]}" if len(ids) == 1 else f"images {ids[0]} to {ids[-1]}"
    return f"{order.kernel}, {span}, {order.transport}"
