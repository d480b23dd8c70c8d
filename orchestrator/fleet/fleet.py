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
from orchestrator.fleet.connections import BROKEN, drop
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
        members: list[WorkerInfo],
        payload_store: Broker | None = None,
        run_id: str | None = None,
    ) -> None:
        """A fleet of `members` that listen on the app's broker; `run_id` names the queue and every key.

        `payload_store` is the Redis that holds payloads, `None` where that is the broker. A new run needs no
        `run_id`.
        """
        self.app = app
        self.settings = settings
        self.broker = broker
        self.payload_store = payload_store
        self.members = [*members]
        self.run_id = run_id or f"{PREFIX}-{secrets.token_hex(6)}"
        self.queue = Queue(self.run_id, Exchange(self.run_id, type="direct"), routing_key=self.run_id)
        self.messages = RunQueue(app, settings, self.run_id)
        self.attendance = Liveness(app)
        self.breaks = 0
        """How often connections broke and were made anew: whatever else was connected before is to do the same."""
        self.is_put_away = False
        """Whether it was closed, and the broker was reached to clear away what was left there."""
        self._serving = Consumers(app, self.run_id)
        self._events = TaskEvents(app)
        self.recovery = Recovery(app, self.attendance, self._serving, self._events, self.slots)
        self._offsets: dict[str, Offset] = {}

    @property
    def slots(self) -> int:
        """All slots of all members."""
        return sum(member.slots for member in self.members)

    @property
    def longest_s(self) -> float:
        """Within this long of silence a message was answered, whatever happened to its worker."""
        return self.settings.visibility_timeout_s + self.settings.task_time_limit_s

    def client(self, timeout_s: float = ANSWER_S) -> redis.Redis:
        """A new connection to the broker's Redis."""
        return connect(self.settings.broker_url, timeout_s, self.settings.tls)

    def broker_cpu_s(self) -> float | None:
        """CPU seconds that the broker has used since it started; `None` where it does not tell."""
        return self.messages.cpu_s()

    # Who serves

    def serve(self, slots: int) -> None:
        """Have exactly `slots` slots serve the run's queue, and nobody else; after a change they are not `proven`.

        Raises:
            UnavailableError: no set of workers has so many slots, or one does not follow.
        """
        chosen = {member.name for member in self._choose(slots)}
        everyone = [member.name for member in self.members]
        if self._serving.change_to(chosen, everyone) and not self.attendance.is_anybody_there:
            self.attendance.begin(everyone)

    def _choose(self, slots: int) -> list[WorkerInfo]:
        """The members to serve; after a loss, once there are enough again."""
        if not self.recovery.is_settled:
            self._find_again(slots)
        try:
            return workers.choose(self.members, slots)
        except UnavailableError:
            if self.slots >= self.recovery.full_slots:
                raise
        self._find_again(slots)
        return workers.choose(self.members, slots)

    @property
    def proven(self) -> bool:
        """Whether every serving slot has answered a task since the choice of slots last changed."""
        return self._serving.proven

    def prove(self) -> None:
        """Every serving slot has answered a task."""
        self._serving.proven = True

    # What befalls the members

    def check(self) -> None:
        """Look after what is ours of the fleet: workers that have ended are started anew; a claim is looked at.

        Raises:
            UnavailableError: something has ended that cannot be started anew.
        """
        self.recovery.check()

    def changed(self) -> str | None:
        """What has befallen members since this was last asked; `None` for nothing.

        After a loss, the next `serve` finds the members anew.
        """
        return self.recovery.changed()

    @property
    def is_settled(self) -> bool:
        """Whether all members were there, as the same processes, when they were last asked."""
        return self.recovery.is_settled

    def unsettle(self) -> None:
        """Have the next `serve` find the members anew, and tell them again what to serve."""
        self.recovery.unsettle()

    def forget_orphans(self) -> None:
        """Delete messages that were answered, or given up, by workers that are gone: they would come again.

        Nothing of this run may be under way.
        """
        self.recovery.forget_orphans(self.messages)

    def _find_again(self, slots: int) -> None:
        self.members = self.recovery.find_again(self.members, slots)
        self.attendance.begin([member.name for member in self.members])
        self.synchronise()

    # What members are told and asked besides

    def send_events(self, on: bool) -> None:
        """Have every member send task events, or none of them, until told otherwise or the fleet is closed.

        Raises:
            UnavailableError: a worker does not follow.
        """
        self._events.send(self.members, on)

    def offset_of(self, worker: str) -> Offset | None:
        """How far the worker's clock is ahead of ours, as last measured."""
        return self._offsets.get(worker)

    def synchronise(self) -> None:
        """Measure the offset of every member's clock anew; where a connection breaks, the last one stands."""
        for index, member in enumerate(self.members):
            try:
                offset = workers.measure_offset(self.app, member)
            except BROKEN:
                with suppress(*BROKEN):  # the next batch meets it too, and waits for the broker
                    self.disconnect()
                return
            if offset is not None:
                self._offsets[member.name] = offset
                self.members[index] = replace(member, offset=offset)

    # How it ends

    def disconnect(self) -> None:
        """Drop the connections of remote control and of questions to the broker; what is done next makes new ones.

        A strategy drops its own when it finds that `breaks` has grown.
        """
        with self.app.connection_or_acquire() as connection, self.app.producer_or_acquire() as producer:
            for channel in (connection.default_channel, producer.channel):
                drop(channel)
        self.messages.close()
        self.breaks += 1

    def dismiss(self) -> None:
        """Tell every worker that listens to let the run's queue go, and do not wait."""
        self._serving.dismiss()

    def close(self) -> None:
        """Leave the broker as it was: no consumer, queue, binding, result or payload of this run."""
        with suppress(UnavailableError, *BROKEN, redis.RedisError, OSError):
            self._serving.end()
        self._events.restore(self.members)
        with suppress(redis.RedisError, OSError):
            self.messages.forget(self.messages.held().taken.values())
            delete_keys(self.settings, self.run_id)
            self.is_put_away = True
        self.messages.close()
        self.app.close()
