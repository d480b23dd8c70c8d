"""A fleet: Celery workers behind a broker, of which any number of slots can be put to work on one queue.

What it does is done in files of their own: `roster` asks who is there and `attendance` remembers it, `serving` has them
serve the run's queue, `recovery` finds them again after a loss, `task_events` switches events, `run_queue` knows what
the broker holds, `clearing` deletes what is left.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace

import redis
from celery import Celery
from kombu import Exchange, Queue

from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.clearing import delete_keys
from orchestrator.fleet.connections import CONNECTION_ERRORS, close_sockets
from orchestrator.fleet.consumers import Consumers
from orchestrator.fleet.liveness import Liveness
from orchestrator.fleet.recovery import Recovery
from orchestrator.fleet.run_queue import RunQueue
from orchestrator.fleet.task_events import TaskEvents
from orchestrator.fleet.workers import Offset, WorkerInfo
from orchestrator.model.environment import Broker
from worker.app import PREFIX
from worker.payloads.redis import ANSWER_S, connect
from worker.settings import Settings


class Fleet:
    """The workers of one run, and the queue that is its own.

    Whose workers they are makes no difference here: `embedded` and `external` make fleets.
    """

    def __init__(
        self,
        app: Celery,
        settings: Settings,
        broker: Broker,
        workers: list[WorkerInfo],
        payload_store: Broker | None = None,
        run_id: str | None = None,
    ) -> None:
        """A fleet of `workers` that listen on the app's broker; `run_id` names the queue and every key.

        `payload_store` is the Redis that holds payloads, `None` where that is the broker. A new run needs no
        `run_id`.
        """
        self.app = app
        self.settings = settings
        self.broker = broker
        self.payload_store = payload_store
        self.workers = [*workers]
        self.run_id = run_id or f"{PREFIX}-{secrets.token_hex(6)}"
        self.queue = Queue(self.run_id, Exchange(self.run_id, type="direct"), routing_key=self.run_id)
        self.run_queue = RunQueue(app, settings, self.run_id)
        self.liveness = Liveness(app)
        self.reconnects = 0
        """How often connections broke and were made anew: whatever else was connected before is to do the same."""
        self.is_cleaned_up = False
        """Whether it was closed, and the broker was reached to clear away what was left there."""
        self._consumers = Consumers(app, self.run_id)
        self._events = TaskEvents(app)
        self.recovery = Recovery(app, self.liveness, self._consumers, self._events, self.slots)
        self._offsets: dict[str, Offset] = {}

    @property
    def slots(self) -> int:
        """All slots of all members."""
        return sum(member.slots for member in self.workers)

    @property
    def answer_timeout_s(self) -> float:
        """Within this long of silence a message was answered, whatever happened to its worker."""
        return self.settings.visibility_timeout_s + self.settings.task_time_limit_s

    def client(self, timeout_s: float = ANSWER_S) -> redis.Redis:
        """A new connection to the broker's Redis."""
        return connect(self.settings.broker_url, timeout_s, self.settings.tls)

    def broker_cpu_s(self) -> float | None:
        """CPU seconds that the broker has used since it started; `None` where it does not tell."""
        return self.run_queue.cpu_s()

    # Who serves

    def use_slots(self, slots: int) -> None:
        """Have exactly `slots` slots serve the run's queue; after a change they are not `slots_confirmed`.

        Raises:
            UnavailableError: no set of workers has so many slots, or one does not follow.
        """
        chosen = {member.name for member in self._choose(slots)}
        everyone = [member.name for member in self.workers]
        if self._consumers.assign(chosen, everyone) and not self.liveness.any_present:
            self.liveness.track(everyone)

    def _choose(self, slots: int) -> list[WorkerInfo]:
        """The members to serve; after a loss, once there are enough again."""
        if self.recovery.is_needed:
            self._recover(slots)
        try:
            return workers.choose(self.workers, slots)
        except UnavailableError:
            if self.slots >= self.recovery.full_slots:
                raise
        self._recover(slots)
        return workers.choose(self.workers, slots)

    @property
    def slots_confirmed(self) -> bool:
        """Whether every serving slot has answered a task since the choice of slots last changed."""
        return self._consumers.confirmed

    def confirm_slots(self) -> None:
        """Every serving slot has answered a task."""
        self._consumers.confirmed = True

    # What befalls the members

    def check(self) -> None:
        """Look after what is ours of the fleet: workers that have ended are started anew; a claim is looked at.

        Raises:
            UnavailableError: something has ended that cannot be started anew.
        """
        self.recovery.check()

    def disturbance(self) -> str | None:
        """What has befallen members since this was last asked; `None` for nothing.

        After a loss, the next `use_slots` finds the members anew.
        """
        return self.recovery.disturbance()

    @property
    def needs_recovery(self) -> bool:
        """Whether workers were missing or had been replaced when they were last asked."""
        return self.recovery.is_needed

    def require_recovery(self) -> None:
        """Have the next `use_slots` find the members anew, and tell them again what to serve."""
        self.recovery.require()

    def discard_orphans(self) -> None:
        """Delete messages that were answered, or given up, by workers that are gone: they would come again.

        Nothing of this run may be under way.
        """
        self.recovery.discard_orphans(self.run_queue)

    def _recover(self, slots: int) -> None:
        self.workers = self.recovery.recover(self.workers, slots)
        self.liveness.track([member.name for member in self.workers])
        self.measure_clock_offsets()

    # What members are told and asked besides

    def switch_events(self, on: bool) -> None:
        """Have every member send task events, or none of them, until told otherwise or the fleet is closed.

        Raises:
            UnavailableError: a worker does not follow.
        """
        self._events.send(self.workers, on)

    def offset_of(self, worker: str) -> Offset | None:
        """How far the worker's clock is ahead of ours, as last measured."""
        return self._offsets.get(worker)

    def measure_clock_offsets(self) -> None:
        """Measure the offset of every member's clock anew; where a connection breaks, the last one stands."""
        for index, member in enumerate(self.workers):
            try:
                offset = workers.measure_offset(self.app, member)
            except CONNECTION_ERRORS:
                with suppress(*CONNECTION_ERRORS):  # the next batch meets it too, and waits for the broker
                    self.disconnect()
                return
            if offset is not None:
                self._offsets[member.name] = offset
                self.workers[index] = replace(member, offset=offset)

    # How it ends

    def disconnect(self) -> None:
        """Drop the connections of remote control and of questions to the broker; what is done next makes new ones.

        A strategy drops its own when it finds that `reconnects` has grown.
        """
        with self.app.connection_or_acquire() as connection, self.app.producer_or_acquire() as producer:
            for channel in (connection.default_channel, producer.channel):
                close_sockets(channel)
        self.run_queue.close()
        self.reconnects += 1

    def cancel_consumers(self) -> None:
        """Tell every worker that listens to let the run's queue go, and do not wait."""
        self._consumers.cancel_all()

    def close(self) -> None:
        """Leave the broker as it was: no consumer, queue, binding, result or payload of this run."""
        with suppress(UnavailableError, *CONNECTION_ERRORS, redis.RedisError, OSError):
            self._consumers.cancel()
        self._events.restore(self.workers)
        with suppress(redis.RedisError, OSError):
            self.run_queue.discard(self.run_queue.snapshot().fetched.values())
            delete_keys(self.settings, self.run_id)
            self.is_cleaned_up = True
        self.run_queue.close()
        self.app.close()
