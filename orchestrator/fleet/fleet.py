"""A fleet: Celery workers behind one broker, and the queue that a run has there.

The parts have files of their own: `workers` finds them, `liveness` polls them, `consumers` assigns the queue and
switches task events, `recovery` finds them again after a loss, `run_queue` reads the queue, `cleanup` deletes what is
left. `embedded` and `external` make fleets.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

import redis
from celery import Celery
from kombu import Exchange, Queue

from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.cleanup import delete_files, delete_run
from orchestrator.fleet.clock_offset import measure_offset
from orchestrator.fleet.connections import CONNECTION_ERRORS, close_sockets
from orchestrator.fleet.consumers import Consumers, TaskEvents
from orchestrator.fleet.liveness import Liveness
from orchestrator.fleet.processor_time import ProcessorTime, of_processes
from orchestrator.fleet.recovery import Recovery
from orchestrator.fleet.run_queue import RunQueue, reject_eviction
from orchestrator.fleet.workers import COMMAND_TIMEOUT_S, Offset, WorkerInfo
from orchestrator.model.environment import Broker
from orchestrator.model.runs import DEFAULT_POOL, Pool
from worker.app import PREFIX
from worker.payloads.redis import ANSWER_S, connect
from worker.settings import Settings

CLOCKS_S: Final = 10.0  # seconds after which no further worker is asked for its clock


class Fleet:
    """The workers of one run, and the run's queue.

    Attributes:
        payload_store: the Redis that holds payloads; `None` if that is the broker.
        run_id: the name of the queue, and part of every key on the servers.
        reconnects: how often connections broke; a strategy reconnects when it has grown.
        is_unreachable: whether a server stayed away for longer than a run waits: no strategy waits for it again.
        child_pids: returns the process ids of our own children whose name begins as given: `worker`, `origin`.
        is_cleaned_up: whether `close` reached the servers and deleted everything of this run there.
    """

    def __init__(
        self,
        app: Celery,
        settings: Settings,
        broker: Broker,
        found: list[WorkerInfo],
        payload_store: Broker | None = None,
    ) -> None:
        self.app = app
        self.settings = settings
        self.broker = broker
        self.payload_store = payload_store
        self.workers = [*found]
        self.run_id = f"{PREFIX}-{secrets.token_hex(6)}"
        self.queue = Queue(self.run_id, Exchange(self.run_id, type="direct"), routing_key=self.run_id)
        self.run_queue = RunQueue(app, settings, self.run_id)
        self.liveness = Liveness(app)
        self.reconnects = 0
        self.is_unreachable = False
        self.is_cleaned_up = False
        self.child_pids: Callable[[str], list[int]] = lambda name: []
        self._consumers = Consumers(app, self.run_id)
        self._events = TaskEvents(app)
        self.recovery = Recovery(app, self.liveness, self._consumers, self._events, self.slots)
        self._offsets: dict[str, Offset] = {}
        self._pool = DEFAULT_POOL
        self._track_solo()

    @property
    def slots(self) -> int:
        """All slots of all workers."""
        return sum(worker.slots for worker in self.workers)

    @property
    def answer_timeout_s(self) -> float:
        """Seconds of silence after which a message has no answer to come, even if its worker died."""
        return self.settings.visibility_timeout_s + self.settings.task_time_limit_s

    def client(self, timeout_s: float = ANSWER_S) -> redis.Redis:
        """Return a new connection to the broker."""
        return connect(self.settings.broker_url, timeout_s, self.settings.tls)

    def broker_cpu_s(self) -> float | None:
        """Return the CPU seconds that the broker has used since it started; `None` if it does not say."""
        return self.run_queue.cpu_s()

    def processor_time(self, name: str) -> dict[int, ProcessorTime] | None:
        """Return what each thread of the children `name` has computed and waited; `None` unless they are our own."""
        pids = self.child_pids(name)
        return of_processes(pids) if pids else None

    # Which slots consume the queue

    @property
    def slots_by_pool(self) -> dict[Pool, int]:
        """All slots of all workers, by their pool."""
        found: dict[Pool, int] = {}
        for worker in self.workers:
            found[worker.pool] = found.get(worker.pool, 0) + worker.slots
        return found

    def use_slots(self, slots: int, pool: Pool | None = None) -> None:
        """Have exactly `slots` slots consume the run's queue; after a change they are not `slots_confirmed`.

        Args:
            slots: how many.
            pool: of the workers; `None` for that of the workers that consume it now.

        Raises:
            UnavailableError: no set of workers has exactly that many slots, or a worker did not follow.
        """
        self._pool = pool or self._pool
        chosen = {worker.name for worker in self._choose(slots)}
        names = [worker.name for worker in self.workers]
        if self._consumers.assign(chosen, names) and not self.liveness.any_answered:
            self.liveness.track(names)

    def use_worker(self, name: str) -> None:
        """Have one worker alone consume the run's queue, until `use_slots` chooses again.

        Raises:
            UnavailableError: a worker did not follow.
        """
        self._consumers.assign({name}, [worker.name for worker in self.workers])

    def _choose(self, slots: int) -> list[WorkerInfo]:
        """Choose the workers that consume; after a loss, wait until there are enough again."""
        if not self.recovery.is_needed:
            try:
                return workers.choose(self.workers, slots, self._pool)
            except UnavailableError:
                if self.slots >= self.recovery.full_slots:
                    raise
        self._recover(slots)
        return workers.choose(self.workers, slots, self._pool)

    @property
    def slots_confirmed(self) -> bool:
        """Whether every consuming slot has answered a task since the choice of slots last changed."""
        return self._consumers.confirmed

    def confirm_slots(self) -> None:
        """Record that every consuming slot has answered a task."""
        self._consumers.confirmed = True

    # What happens to workers

    def check(self) -> None:
        """Check what the run cannot do without, and restart workers of our own that have ended.

        Raises:
            UnavailableError: something has ended that cannot be restarted.
        """
        self.recovery.check()

    def check_memory(self) -> None:
        """Check that the broker and the payload store still delete nothing when memory runs short.

        Raises:
            UnavailableError: one has no memory left, or somebody has given it another policy since the run began.
        """
        with suppress(*CONNECTION_ERRORS):  # the next batch meets the error too, and waits for the server
            self.run_queue.check_memory()
            if self.payload_store is not None:
                url = self.settings.payload_store_url
                with connect(url, tls=self.settings.tls) as client:
                    reject_eviction("payload store", url, client.info("memory"))

    def disturbance(self) -> str | None:
        """Return what happened to workers since the last call; after a loss, the next `use_slots` finds them again."""
        return self.recovery.disturbance()

    @property
    def needs_recovery(self) -> bool:
        """Whether workers were missing or had been replaced when they were last asked."""
        return self.recovery.is_needed

    def require_recovery(self) -> None:
        """Have the next `use_slots` find the workers again and assign their queue again."""
        self.recovery.require()

    def discard_orphans(self) -> None:
        """Delete messages whose workers are gone, so that they are not delivered again; none may be in flight."""
        self.recovery.discard_orphans(self.run_queue)

    def end_overrun(self) -> str:
        """End the busy workers that consume the queue, if their pool cannot end a task; return what happened."""
        limit = f"a task ran for longer than {self.settings.task_time_limit_s:g} s, which pool {self._pool} cannot end"
        if self.recovery.end_workers is None:
            return f"{limit}; start its worker again"
        self.recovery.end_workers(self.liveness.busy)
        return f"{limit}, so its worker was started again"

    @property
    def limits_time(self) -> bool:
        """Whether the workers that consume the queue end a task that overruns its time limit by themselves."""
        return self._pool == DEFAULT_POOL

    def _track_solo(self) -> None:
        """Let a worker of pool solo be silent for as long as a task may run: it answers nothing meanwhile."""
        solo = [worker.name for worker in self.workers if worker.pool == "solo"]
        self.liveness.silence_s = dict.fromkeys(solo, self.settings.task_time_limit_s)

    def _recover(self, slots: int) -> None:
        self.workers = self.recovery.recover(self.workers, slots, self._pool)
        self._track_solo()
        self.liveness.track([worker.name for worker in self.workers])
        self.measure_clock_offsets()

    # Events and clocks

    def switch_events(self, on: bool) -> None:
        """Have all workers send task events, or none, until switched again or the fleet is closed.

        Raises:
            UnavailableError: a worker did not follow.
        """
        self._events.switch(self.workers, on)

    def offset_of(self, worker: str) -> Offset | None:
        """Return how far the worker's clock is ahead of ours, as last measured."""
        return self._offsets.get(worker)

    def measure_clock_offsets(self) -> None:
        """Measure the offset of every worker's clock; keep the last one of a worker that cannot be asked in time."""
        deadline = time.monotonic() + CLOCKS_S
        for index, worker in enumerate(self.workers):
            if time.monotonic() > deadline:
                return
            try:
                offset = measure_offset(self.app, worker)
            except CONNECTION_ERRORS:
                with suppress(
                    *CONNECTION_ERRORS
                ):  # the next batch meets the error too, and waits for the broker
                    self.disconnect()
                return
            if offset is not None:
                self._offsets[worker.name] = offset
                self.workers[index] = replace(worker, offset=offset)

    def throttled_s(self) -> float | None:
        """Return how long CPU quotas have held workers back in all; `None` if they share ours or cannot be asked."""
        if self.broker.embedded:
            return None
        try:
            return workers.throttled_s(self.app, self.workers)
        except (*CONNECTION_ERRORS, UnavailableError):
            return None

    # The end

    def disconnect(self) -> None:
        """Close the connections for remote control and for the run queue; the next call opens new ones."""
        with self.app.connection_or_acquire() as connection, self.app.producer_or_acquire() as producer:
            for channel in (connection.default_channel, producer.channel):
                close_sockets(channel)
        self.run_queue.close()
        self.reconnects += 1

    def close(self) -> None:
        """Leave the broker as it was: no consumer, queue, binding, result or payload of this run.

        If the broker does not answer, the supervisor cleans up once this process has ended.
        """
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        with suppress(*CONNECTION_ERRORS, redis.RedisError, OSError):
            self.run_queue.length()  # a broker that is gone is noticed here, and not once more by each step
            with suppress(UnavailableError):  # what a worker that is gone has left is deleted all the same
                self._consumers.cancel(deadline)
            self._events.restore(self.workers, deadline)
            delete_run(self.run_queue, self.settings, self.run_id)
            delete_files(self.settings, self.run_id)
            self.is_cleaned_up = True
        self.run_queue.close()
        self.app.close()
