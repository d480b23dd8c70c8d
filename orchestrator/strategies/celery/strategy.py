"""Celery: the batch is published to a fleet's queue, and outcomes are taken in as the workers answer."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import redis
from kombu.exceptions import OperationalError

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import CONNECTION_ERRORS
from orchestrator.fleet.fleet import Fleet
from orchestrator.model.runs import Cell, Data, Events, Stations
from orchestrator.strategies.base import Row, Strategy
from orchestrator.strategies.celery.batch import Batch, Chunks
from orchestrator.strategies.celery.cleanup import Cleanup
from orchestrator.strategies.celery.connection import Connection
from orchestrator.strategies.celery.outcomes import Tally
from orchestrator.strategies.celery.payload_io import PayloadIO
from orchestrator.strategies.celery.publishing import Publisher
from orchestrator.strategies.celery.results import Results
from worker.contract import LOST, Failure, Outcome, Task
from worker.payloads import TRANSPORTS

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

    def __init__(
        self, slots: int, fleet: Fleet, transport: str, chunk: int, data: Data, events: Events | None = None
    ) -> None:
        """Use `fleet` with messages of up to `chunk` tasks, payloads by `transport`, placed as `data` says.

        With `events` None workers send task events or not, as they did before.
        """
        super().__init__(slots)
        self._fleet = fleet
        self._transport_name = transport
        self._chunk = chunk
        self._resident = data == "resident"
        self._events = events
        self._batches = itertools.count()
        self._tally = Tally(0.0)
        self._broker_cpu_s: float | None = None
        self._running: Generator[Row, None, None] | None = None
        self._upset: str | None = None
        self._broken: UnavailableError | None = None

    @classmethod
    def for_cell(cls, cell: Cell, fleet: Fleet | None) -> Self:
        """What does `cell`.

        Raises:
            ValueError: there is no fleet, or the cell does not say how messages go.
        """
        if fleet is None or cell.transport is None or cell.chunk is None or cell.data is None:
            raise ValueError(f"a Celery cell needs a fleet, a transport, a chunk and a placement: {cell}")
        return cls(cell.slots, fleet, cell.transport, cell.chunk, cell.data, cell.events)

    def __enter__(self) -> Self:
        """Open the payload store and the subscription, and prove that every slot answers."""
        transport = TRANSPORTS[self._transport_name].from_settings(self._fleet.settings)
        # Every strategy has ids of its own, so that none hears another's results.
        self._prefix = f"{self._fleet.run_id}-{secrets.token_hex(4)}-"
        results = Results(self._fleet.app, self._fleet.client(), self._prefix)
        self._way = Connection(
            self._fleet,
            self._transport_name,
            transport,
            PayloadIO(transport, self._resident),
            Publisher(self._fleet.app, self._fleet.queue),
            results,
            Cleanup(transport, results),
            self._fleet.reconnects,
        )
        self._choose_slots()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete what is still stored and close the connections."""
        if self._running is not None:
            self._running.close()
        self._way.close()

    @property
    def duplicated(self) -> int:
        """Answers that came a second time since the last batch began."""
        return self._way.leavings.duplicated

    @property
    def stations(self) -> Stations | None:
        """What the last batch asked of the orchestrator, the payload store and the slots; `None` if it broke off."""
        return self._tally.stations

    def disturbance(self) -> str | None:
        """What befell the batches, the broker or a worker since this was last asked; asks the workers.

        Only now are the batches' results deleted (`Leavings.clear`). What can be put right is put right now, lest it
        disturbs the next sample too.
        """
        upset, self._upset = self._upset, None
        with suppress(*CONNECTION_ERRORS, UnavailableError):  # what stays broken is told by the next batch
            changed = self._fleet.disturbance()  # in any case: it is not to be told of the next sample
            self._way.leavings.clear()
            upset = upset or changed
            if upset is not None:
                self._fleet.use_slots(self.slots)
                self._fleet.discard_orphans()
        return upset

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Choose the slots and their events and, for `resident` data, put the inputs into the payload store."""
        self._raise_if_broken()
        try:
            self._prepare(tasks)
        except CONNECTION_ERRORS as error:
            self._way.reconnect(error)
            self._prepare(tasks)

    def _prepare(self, tasks: Sequence[Task]) -> None:
        self._fleet.check()
        if self._way.is_stale:
            self._way.renew()
        self._choose_slots()
        if self._events is not None:
            self._fleet.switch_events(self._events == "on")
        self._broker_cpu_s = self._fleet.broker_cpu_s()
        self._way.placement.settle(f"{self._prefix}{next(self._batches)}", tasks)

    def _choose_slots(self) -> None:
        """Have the right number of slots serve, and after a change let tasks prove that they all do.

        Raises:
            UnavailableError: a slot did not answer in time.
        """
        self._fleet.use_slots(self.slots)
        if self._fleet.slots_confirmed:
            return
        probes = [Task(number, "diagnostics", "sleep", PROBE_S) for number in range(PROBES * self.slots)]
        deadline = time.monotonic() + PROVEN_S
        answered: set[str | None] = set()
        upset = self._upset
        while time.monotonic() < deadline:
            signals.check()
            answered |= {outcome.slot for outcome in self.run(probes)}
            self._raise_if_broken()
            if len(answered - {None}) >= self.slots:
                self._fleet.confirm_slots()
                # A slot that has just left the queue takes one more message from it and gives it back, to be told as
                # given twice. That one is a probe; no sample is disturbed by it.
                self._upset = upset
                return
        raise UnavailableError(
            f"{len(answered - {None})} of {self.slots} Celery slots answered within {PROVEN_S:.0f} s; "
            "see if other work keeps the workers busy, or ask for fewer --slots"
        )

    def rows(self, tasks: Sequence[Task]) -> Generator[Row, None, None]:
        """Publish the batch and yield the outcomes of each message as its answer comes.

        Where the broker goes away for good or takes no more, what has no outcome yet is lost, and the next
        `prepare` raises the error.
        """
        self._running = self._rows(tasks)
        return self._running

    def _rows(self, tasks: Sequence[Task]) -> Generator[Row, None, None]:
        way = self._way
        way.leavings.begin()
        self._tally = Tally(way.results.waited_s, broker_cpu_before_s=self._broker_cpu_s)
        batch = self._batch(f"{self._prefix}{next(self._batches)}", tasks)
        try:
            with self._errors_told():
                way.placement.drop_outputs()
                way.publisher.open()
                self._tally.begin()
                yield from batch.exchange()
                self._tally.end(way.results.waited_s, self._fleet.broker_cpu_s)
        except UnavailableError as error:
            self._broken = error
            self._note(str(error))
            yield [Outcome(task.id, failure=Failure(LOST, str(error))) for task in batch.left]
        finally:
            with suppress(*CONNECTION_ERRORS, redis.RedisError, OSError):
                if batch.under_way:
                    way.leavings.withdraw(batch.under_way, self._fleet.run_queue.purge())
                way.leavings.end()
                way.placement.drop_inputs()

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """Whatever the broker fails with is an `UnavailableError` that says what to do."""
        try:
            yield
        except redis.OutOfMemoryError:
            raise self._fleet.run_queue.out_of_memory_error() from None
        except (redis.RedisError, OperationalError, OSError) as error:
            self._way.publisher.close()
            raise UnavailableError(
                f"the broker went away during a batch ({error}); see if it still runs"
            ) from error

    def _raise_if_broken(self) -> None:
        broken, self._broken = self._broken, None
        if broken is not None:
            raise broken

    def _batch(self, key: str, tasks: Sequence[Task]) -> Batch:
        chunks = Chunks(tasks, self._chunk)
        return Batch(self._way, key, self.slots, chunks, self._tally, self._note)

    def fetch(self, outcome: Outcome) -> Outcome:
        """Bring a resident output here.

        Raises:
            UnavailableError: the payload store went away and did not come back in time.
        """
        try:
            return self._way.placement.fetch(outcome)
        except CONNECTION_ERRORS as error:
            self._note(f"a connection to the payload store broke ({error})")
            self._way.reconnect(error)
            return self._way.placement.fetch(outcome)

    def _note(self, what: str) -> None:
        """Remember the first thing that befell the batches; the rest follows from it more often than not."""
        self._upset = self._upset or what
