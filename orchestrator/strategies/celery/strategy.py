"""The strategy `celery`: publish a batch to a fleet's queue, and return outcomes as the workers reply."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import redis
from kombu.exceptions import OperationalError

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import CONNECTION_ERRORS
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.processor_time import ProcessorTime, between, processor_wait_s
from orchestrator.model.runs import DEFAULT_POOL, Cell, Data, Events, Pool, Stations
from orchestrator.strategies.arrivals import Arrivals
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.celery.batch import REDELIVERED, Batch
from orchestrator.strategies.celery.cleanup import Cleanup
from orchestrator.strategies.celery.connection import Connection, Publisher, ResultSubscription
from orchestrator.strategies.celery.outcomes import failed
from orchestrator.strategies.celery.payload_io import PayloadIO
from worker.contract import Outcome, Task
from worker.payloads import TRANSPORTS
from worker.payloads.transport import PayloadMissingError

PROBE_SLEEP_S: Final = 0.002  # duration of a probe: long enough that one slot cannot answer all of them
MAX_PROBE_SLEEP_S: Final = 0.1  # a worker with several slots gives its free ones tasks in turn, if at all
PROBES_PER_SLOT: Final = 4
PROBE_TIMEOUT_S: Final = 15.0  # seconds within which every slot must answer a probe


@dataclass(frozen=True, slots=True)
class _Clocks:
    """Seconds of the orchestrator's thread; without those in which it waited for results, for a processor."""

    wall_s: float
    cpu_s: float
    waited_s: float  # for results
    processor_wait_s: float | None

    @classmethod
    def read(cls, connection: Connection) -> _Clocks:
        delayed_s = processor_wait_s()
        return cls(
            time.monotonic(),
            time.thread_time(),
            connection.results.waited_s,
            None if delayed_s is None else delayed_s - connection.results.processor_wait_s,
        )

    def since(self, begun: _Clocks) -> _Clocks:
        before_s, now_s = begun.processor_wait_s, self.processor_wait_s
        return _Clocks(
            self.wall_s - begun.wall_s,
            self.cpu_s - begun.cpu_s,
            self.waited_s - begun.waited_s,
            None if before_s is None or now_s is None else now_s - before_s,
        )


class Celery(Strategy):
    """Runs batches on `slots` slots of a fleet, in messages of up to `chunk` tasks.

    For each message, inputs are stored by the transport, the message is published, a worker fetches, computes, stores
    and replies, and the outputs are fetched. With `resident` data inputs are stored before the batch starts and
    outputs stay in the store. With `events` None the workers' task events are left as they are. `pool` is that of the
    workers.
    """

    def __init__(
        self,
        slots: int,
        fleet: Fleet,
        transport: str,
        chunk: int,
        data: Data,
        events: Events | None = None,
        pool: Pool = DEFAULT_POOL,
    ) -> None:
        super().__init__(slots)
        self._fleet = fleet
        self._transport_name = transport
        self._chunk = chunk
        self._resident = data == "resident"
        self._events = events
        self._pool = pool
        self._batch_numbers = itertools.count()
        self._stations: Stations | None = None
        self._broker_cpu_s: float | None = None
        self._workers_time: dict[int, ProcessorTime] | None = None
        self._image_server_time: dict[int, ProcessorTime] | None = None
        self._running: Generator[Outcome, None, None] | None = None
        self._disturbance: str | None = None
        self._error: UnavailableError | None = None

    @classmethod
    def for_cell(cls, cell: Cell, fleet: Fleet | None) -> Self:
        """Return the strategy for `cell`.

        Raises:
            ValueError: there is no fleet, or the cell lacks a transport, chunk or data.
        """
        if fleet is None or cell.transport is None or cell.chunk is None or cell.data is None:
            raise ValueError(f"a Celery cell needs a fleet, a transport, a chunk and data: {cell}")
        return cls(
            cell.slots, fleet, cell.transport, cell.chunk, cell.data, cell.events, cell.pool or DEFAULT_POOL
        )

    def __enter__(self) -> Self:
        try:
            transport = TRANSPORTS[self._transport_name].from_settings(self._fleet.settings)
        except PayloadMissingError as error:
            raise UnavailableError(
                f"{error}; give workers and orchestrator the same one, or use --transport redis"
            ) from None
        # A prefix of its own for each strategy, so that none receives another's results.
        self._prefix = f"{self._fleet.run_id}-{secrets.token_hex(4)}-"
        results = ResultSubscription(self._fleet.app, self._fleet.client(), self._prefix)
        self._cleanup = Cleanup(transport, results)
        self._fleet.run_queue.output_buffer_overflowed()  # from here on, an overflow is one of ours
        self._connection = Connection(
            self._fleet,
            self._transport_name,
            transport,
            PayloadIO(transport, self._resident),
            Publisher(self._fleet.app, self._fleet.queue),
            results,
            self._fleet.reconnects,
        )
        self._choose_slots()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.close()
        if not self._fleet.is_unreachable:  # each strategy would wait for it once more
            with suppress(redis.RedisError, OSError):
                self._connection.payload_io.delete_inputs()
                self._connection.payload_io.delete_outputs()
                self._cleanup.delete()
        self._connection.close()

    @property
    def duplicated(self) -> int:
        """Messages of the last batch that were executed a second time."""
        return self._cleanup.duplicated

    @property
    def stations(self) -> Stations | None:
        """What the last batch asked of each station; `None` if it was stopped early."""
        return self._stations

    def disturbance(self) -> str | None:
        """Return what disturbed the batches since the last call, after asking the workers.

        The workers check their slot processes when they are asked, so this is also when results are deleted
        (`Cleanup.delete`) and the fleet is repaired, so that the same fault does not disturb the next sample.
        """
        disturbance, self._disturbance = self._disturbance, None
        with suppress(*CONNECTION_ERRORS, UnavailableError):  # if it persists, the next batch reports it
            changed = (
                self._fleet.disturbance()
            )  # always asked, so that the change is not blamed on the next sample
            self._cleanup.delete()
            # What happened to a worker says more than that its message went to another one.
            if disturbance is None or (changed is not None and disturbance.startswith(REDELIVERED)):
                disturbance = changed
            if disturbance is not None:
                self._fleet.use_slots(self.slots, self._pool)
                self._fleet.discard_orphans()
        return disturbance

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Choose slots, switch their events, and store resident inputs."""
        self._raise_error()
        try:
            try:
                self._prepare(tasks)
            except CONNECTION_ERRORS as error:
                self._connection.reconnect(error)
                self._prepare(tasks)
        except redis.OutOfMemoryError:
            raise self._fleet.run_queue.out_of_memory_error() from None

    def _prepare(self, tasks: Sequence[Task]) -> None:
        self._fleet.check()
        if self._connection.is_stale:
            self._connection.renew()
        self._connection.publisher.open()
        self._connection.publisher.declare()
        self._choose_slots()
        if self._events is not None:
            self._fleet.switch_events(self._events == "on")
        self._broker_cpu_s = self._fleet.broker_cpu_s()
        self._workers_time = self._fleet.processor_time("worker")
        self._image_server_time = self._fleet.processor_time("origin")
        self._connection.payload_io.prepare(self._next_key(), tasks)

    def _choose_slots(self) -> None:
        """Have the right number of slots consume the queue; after a change, wait until each has answered a probe.

        Raises:
            UnavailableError: a slot did not answer in time.
        """
        self._fleet.use_slots(self.slots, self._pool)
        if self._fleet.slots_confirmed:
            return
        count = PROBES_PER_SLOT * self.slots
        sleep_s = PROBE_SLEEP_S
        deadline = time.monotonic() + PROBE_TIMEOUT_S
        answered: set[str | None] = set()
        disturbance = self._disturbance
        while time.monotonic() < deadline:
            signals.check()
            probes = [Task(number, "diagnostics", "sleep", f"{sleep_s:g}") for number in range(count)]
            answered |= {outcome.slot for outcome in self._run(probes)}
            sleep_s = min(2 * sleep_s, MAX_PROBE_SLEEP_S)
            self._raise_error()
            if len(answered - {None}) >= self.slots:
                self._fleet.confirm_slots()
                # A slot that has just stopped consuming may fetch one more message and return it, which is reported
                # as delivered twice. It is a probe, so no sample is disturbed.
                self._disturbance = disturbance
                return
        raise UnavailableError(
            f"{len(answered - {None})} of {self.slots} Celery slots answered within {PROBE_TIMEOUT_S:.0f} s; "
            "check whether other work keeps the workers busy, or use fewer --slots"
        )

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Publish the batch, and yield the outcomes of each message when its reply arrives.

        If the broker goes away for good or its memory is full, unfinished tasks are lost and the next `prepare`
        raises the error.
        """
        self._running = self._run(tasks)
        return self._running

    def serve(self, arrivals: Arrivals) -> Generator[Outcome, None, None]:
        """Publish each task when it arrives, and yield its outcome when its reply arrives."""
        self._running = self._run((), arrivals)
        return self._running

    def _run(self, tasks: Sequence[Task], arrivals: Arrivals | None = None) -> Generator[Outcome, None, None]:
        connection, cleanup = self._connection, self._cleanup
        self._stations, cleanup.duplicated = None, 0
        batch = Batch(
            connection, cleanup, self._next_key(), self.slots, [*tasks], self._chunk, self._note, arrivals
        )
        try:
            connection.payload_io.delete_outputs()
            connection.publisher.open()
            begun = _Clocks.read(connection)
            for outcomes in batch.run():
                yield from outcomes
            took = _Clocks.read(connection).since(begun)
            self._stations = self._stations_of(batch, took)
        except UnavailableError as error:
            yield from self._give_up(batch, error)
        except redis.OutOfMemoryError:
            yield from self._give_up(batch, self._fleet.run_queue.out_of_memory_error())
        except (redis.RedisError, OperationalError, OSError) as error:
            connection.publisher.close()
            why = f"the broker went away during a batch ({error}); check that it still runs"
            yield from self._give_up(batch, UnavailableError(why))
        finally:
            with suppress(*CONNECTION_ERRORS, redis.RedisError, OSError):
                if batch.in_flight:
                    cleanup.withdraw(batch.in_flight, self._fleet.run_queue.purge())
                cleanup.end_batch()
                connection.payload_io.delete_inputs()

    def _stations_of(self, batch: Batch, took: _Clocks) -> Stations:
        broker_s, after_s = self._broker_cpu_s, self._fleet.broker_cpu_s()
        workers = between(self._workers_time, self._fleet.processor_time("worker"))
        image_server = between(self._image_server_time, self._fleet.processor_time("origin"))
        delayed_s = took.processor_wait_s
        return Stations(
            publish_s=batch.publish_s,
            # What was neither publishing nor waiting was collecting.
            collect_s=took.wall_s - batch.publish_s - took.waited_s,
            slot_s=batch.slot_s,
            payload_bytes=batch.payload_bytes,
            messages=batch.messages,
            broker_cpu_s=None if broker_s is None or after_s is None else after_s - broker_s,
            publish_wait_s=None if delayed_s is None else batch.publish_wait_s,
            collect_wait_s=None if delayed_s is None else delayed_s - batch.publish_wait_s,
            worker_wait_s=None if workers is None else workers.wait_s,
            orchestrator_cpu_s=took.cpu_s,
            worker_cpu_s=None if workers is None else workers.cpu_s,
            image_server_cpu_s=None if image_server is None else image_server.cpu_s,
        )

    def _give_up(self, batch: Batch, error: UnavailableError) -> list[Outcome]:
        """Keep the error for the next `prepare`, and return the lost tasks."""
        self._error = error
        self._note(str(error))
        return failed(batch.unfinished, str(error))

    def fetch(self, outcome: Outcome) -> Outcome:
        """Return the outcome with its output, fetched if it is resident.

        Raises:
            UnavailableError: the payload store went away and did not come back in time.
        """
        try:
            return self._connection.payload_io.fetch(outcome)
        except CONNECTION_ERRORS as error:
            self._note(f"a connection to the payload store broke ({error})")
            self._connection.reconnect(error)
            return self._connection.payload_io.fetch(outcome)

    def _next_key(self) -> str:
        return f"{self._prefix}{next(self._batch_numbers)}"

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _note(self, disturbance: str) -> None:
        """Remember the first disturbance; later ones usually follow from it."""
        self._disturbance = self._disturbance or disturbance
