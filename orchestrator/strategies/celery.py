"""Celery: the batch is published to a fleet's queue, and outcomes are taken in as the workers answer."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import redis
from kombu.exceptions import OperationalError

from orchestrator.errors import UnavailableError
from orchestrator.fleet.fleet import Fleet
from orchestrator.model import Data, Stations
from orchestrator.strategies.celery_leavings import Leavings
from orchestrator.strategies.celery_outcomes import Shipment, Tally, answer_of, outcomes, unanswered
from orchestrator.strategies.celery_publishing import Publisher
from orchestrator.strategies.celery_results import Results
from orchestrator.strategies.strategy import Strategy
from worker.contract import LOST, Failure, Outcome, Payload, Task
from worker.messages import VERSION, Entry, ForeignMessageError, Order
from worker.payloads import TRANSPORTS
from worker.payloads.transport import PayloadMissingError, Reference
from worker.tasks import task_name

WINDOW_MESSAGES = 1000
"""Messages under way at once: enough for any fleet, few enough that memory stays flat for any batch."""

WINDOW_BYTES = 256 << 20
"""Payload bytes under way at once, for the same reason."""

BURST_MESSAGES = 50
"""Messages in one round trip, once every slot has its first."""

QUIET_S = 5.0
"""After this long without an answer the workers are asked whether they are there."""

PROBE_S = "0.002"
"""What a probe sleeps: long enough that no slot can answer all of them."""

PROBES = 4
"""Probes for each slot."""

PROVEN_S = 15.0
"""By then every slot has answered a probe."""


class Celery(Strategy):
    """Runs a batch on `slots` slots of a fleet.

    The order of things for each message: inputs are put where the transport puts them, the message is
    published, a worker fetches, computes, stores and answers, the outputs are taken here. With `resident`
    data the inputs are put before the batch starts and the outputs stay where they are.
    """

    def __init__(self, slots: int, fleet: Fleet, transport: str, chunk: int, data: Data) -> None:
        """Use `fleet` with messages of up to `chunk` tasks, payloads by `transport`, placed as `data` says."""
        super().__init__(slots)
        self._fleet = fleet
        self._transport_name = transport
        self._chunk = chunk
        self._resident = data == "resident"
        self._batches = itertools.count()
        self._resident_inputs: dict[int, Reference] = {}
        self._resident_outputs: dict[int, Reference] = {}
        self._tally = Tally(0.0)
        self._broker_cpu_s: float | None = None
        self._running: Generator[Outcome, None, None] | None = None

    def __enter__(self) -> Self:
        """Open the payload store and the subscription, and prove that every slot answers."""
        self._transport = TRANSPORTS[self._transport_name].from_settings(self._fleet.settings)
        # Every strategy has ids of its own, so that none hears another's results.
        self._prefix = f"{self._fleet.run_id}-{id(self):x}-"
        self._results = Results(self._fleet.app, self._fleet.client(), self._prefix)
        self._leavings = Leavings(self._transport, self._results)
        self._publisher = Publisher(self._fleet.app, self._fleet.queue)
        self._choose_slots()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete what is still stored and close the connections."""
        if self._running is not None:
            self._running.close()
        with suppress(redis.RedisError, OSError):
            self._drop(self._resident_inputs)
            self._drop(self._resident_outputs)
            self._leavings.clear()
        self._publisher.close()
        self._results.close()
        self._transport.close()

    @property
    def duplicated(self) -> int:
        """Answers of the last batch that came a second time."""
        return self._leavings.duplicated

    @property
    def stations(self) -> Stations | None:
        """What the last batch asked of the orchestrator, the payload store and the slots; `None` if it broke off."""
        return self._tally.stations

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Choose the slots and, for `resident` data, put the inputs into the payload store."""
        self._fleet.check()
        self._choose_slots()
        self._broker_cpu_s = self._fleet.broker_cpu_s()
        if self._resident:
            self._drop(self._resident_inputs)
            stays = f"{self._prefix}{next(self._batches)}"
            items = [(f"{stays}:in:{task.id}", task.payload) for task in tasks]
            references = self._transport.put_many(items)
            self._resident_inputs = {
                task.id: reference for task, reference in zip(tasks, references, strict=True)
            }

    def _choose_slots(self) -> None:
        """Have the right number of slots serve, and after a change let tasks prove that they all do.

        Raises:
            UnavailableError: a slot did not answer in time.
        """
        if not self._fleet.serve(self.slots):
            return
        probes = [Task(number, "diagnostics", "sleep", PROBE_S) for number in range(PROBES * self.slots)]
        deadline = time.monotonic() + PROVEN_S
        answered: set[str | None] = set()
        while time.monotonic() < deadline:
            answered |= {outcome.slot for outcome in self.run(probes)}
            if len(answered - {None}) >= self.slots:
                return
        raise UnavailableError(
            f"{len(answered - {None})} of {self.slots} Celery slots answered within {PROVEN_S:.0f} s; "
            "see if other work keeps the workers busy, or ask for fewer --slots"
        )

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Publish the batch and yield each task's outcome as its answer comes.

        Raises:
            UnavailableError: the broker went away.
        """
        self._running = self._run(tasks)
        return self._running

    def _run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        self._batch = f"{self._prefix}{next(self._batches)}"
        self._leavings.begin()
        under_way: dict[str, Shipment] = {}
        self._tally = Tally(self._results.waited_s, broker_cpu_before_s=self._broker_cpu_s)
        try:
            self._drop(self._resident_outputs)
            self._publisher.open()
            self._tally.begin()
            yield from self._exchange(tasks, under_way)
            self._tally.end(self._results.waited_s, self._fleet.broker_cpu_s)
        except (redis.RedisError, OperationalError, OSError) as error:
            self._publisher.close()
            raise UnavailableError(
                f"the broker went away during a batch ({error}); see if it still runs"
            ) from error
        finally:
            with suppress(redis.RedisError, OSError):
                if under_way:
                    self._leavings.withdraw(under_way, self._fleet.recall())
                self._leavings.clear()
                self._drop(self._resident_inputs)

    def fetch(self, outcome: Outcome) -> Outcome:
        """Bring a resident output here."""
        reference = self._resident_outputs.pop(outcome.task_id, None)
        if reference is None:
            return outcome
        (output,) = self._transport.get_many([reference], take=True)
        if isinstance(output, PayloadMissingError):
            return Outcome(outcome.task_id, None, Failure(LOST, str(output)), outcome.hops, outcome.slot)
        return Outcome(outcome.task_id, output, None, outcome.hops, outcome.slot)

    def _drop(self, resident: dict[int, Reference]) -> None:
        """Delete what stays in the store and has served, or that nobody came for."""
        self._transport.delete(resident.values())
        resident.clear()

    def _exchange(self, tasks: Sequence[Task], under_way: dict[str, Shipment]) -> Iterator[Outcome]:
        """Publish while there is room, take in what has come, until every message is answered or given up."""
        chunks = deque(tasks[start : start + self._chunk] for start in range(0, len(tasks), self._chunk))
        quiet_since = time.monotonic()
        size = 0
        while chunks or under_way:
            room = WINDOW_MESSAGES - len(under_way) if size < WINDOW_BYTES else 0
            burst = min(room, len(chunks), BURST_MESSAGES if len(under_way) >= 2 * self.slots else 1)
            if burst:
                with self._tally.publishing():
                    size += self._publish([chunks.popleft() for _ in range(burst)], under_way)
            wait = 0.0 if burst and chunks else 0.5
            for id_, meta in self._results.receive(under_way, wait):
                quiet_since = time.monotonic()
                shipment = under_way.pop(id_, None)
                if shipment is None:
                    self._leavings.unawaited(id_, meta)
                    continue
                self._leavings.answered(id_, shipment)
                size -= shipment.size
                yield from self._take_in(shipment, meta)
            if under_way and time.monotonic() - quiet_since > QUIET_S:
                self._fleet.check()
                if self._given_up(time.monotonic() - quiet_since):
                    yield from self._give_up(under_way)
                    return

    def _publish(self, chunks: Sequence[Sequence[Task]], under_way: dict[str, Shipment]) -> int:
        """Store the inputs of some chunks and send their messages in one round trip; gives their bytes."""
        shipments = []
        with self._publisher.burst() as flush:
            for chunk in chunks:
                shipment = self._add(chunk)
                shipments.append(shipment)
                under_way[self._id(chunk)] = shipment
            sent = time.monotonic()
            for shipment in shipments:
                shipment.sent_at = sent
            flush()
        return sum(shipment.size for shipment in shipments)

    def _add(self, chunk: Sequence[Task]) -> Shipment:
        """Store a chunk's inputs and put its message into the burst."""
        started = time.monotonic()
        references = self._place_inputs(chunk)
        pairs = [(task.id, reference) for task, reference in zip(chunk, references, strict=True)]
        order = Order(VERSION, self._id(chunk), chunk[0].kernel, self._transport_name, pairs)
        name, message = task_name(chunk[0].stage), order.as_message()
        self._publisher.add(name, order.key, message, self._transport.serializer, _summary(order))
        return Shipment(chunk, references, sum(reference.get("size", 0) for reference in references), started)

    def _id(self, chunk: Sequence[Task]) -> str:
        return f"{self._batch}-{chunk[0].id}"

    def _place_inputs(self, chunk: Sequence[Task]) -> Sequence[Reference]:
        if self._resident_inputs:
            return [self._resident_inputs[task.id] for task in chunk]
        return self._transport.put_many([(f"{self._batch}:in:{task.id}", task.payload) for task in chunk])

    def _take_in(self, shipment: Shipment, meta: dict[str, Any]) -> Iterator[Outcome]:
        """The outcomes that one answer holds, with their outputs brought here."""
        try:
            answer = answer_of(meta)
        except ForeignMessageError as error:
            yield from unanswered(shipment, meta, error)
            return
        outputs = self._outputs(answer.entries)
        self._tally.count(shipment, answer, copies=1 if self._resident else 2)
        yield from outcomes(shipment, answer, outputs, time.monotonic(), self._fleet.offset_of(answer.worker))

    def _outputs(self, entries: Sequence[Entry]) -> dict[int, Payload | PayloadMissingError]:
        """Task id to output, fetched in one round trip; nothing for resident ones."""
        with_output = [entry for entry in entries if entry.output is not None]
        references = [entry.output for entry in with_output if entry.output is not None]
        if self._resident:
            self._resident_outputs.update(
                (entry.task_id, reference) for entry, reference in zip(with_output, references, strict=True)
            )
            return {}
        found = self._transport.get_many(references, take=True)
        return {entry.task_id: output for entry, output in zip(with_output, found, strict=True)}

    def _given_up(self, quiet_s: float) -> bool:
        """Whether to stop waiting: no serving worker is left, or nothing came for longer than a task may take."""
        limit = self._fleet.settings.visibility_timeout_s + self._fleet.settings.task_time_limit_s
        return quiet_s > limit or (quiet_s > 2 * QUIET_S and not self._fleet.alive())

    def _give_up(self, under_way: dict[str, Shipment]) -> Iterator[Outcome]:
        """Every task that has no answer ends as lost."""
        alive = len(self._fleet.alive())
        message = f"no answer, with {alive} of {self.slots} slots' workers still answering"
        for shipment in under_way.values():
            yield from (Outcome(task.id, failure=Failure(LOST, message)) for task in shipment.tasks)


def _summary(order: Order) -> str:
    """What Flower shows of a message: readable, and short whatever its payloads are."""
    ids = [id_ for id_, _ in order.tasks]
    span = f"image {ids[0]}" if len(ids) == 1 else f"images {ids[0]} to {ids[-1]}"
    return f"{{{span}, kernel {order.kernel}, transport {order.transport}}}"
