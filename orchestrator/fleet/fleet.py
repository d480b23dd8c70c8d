"""A fleet: Celery workers behind a broker, of which any number of slots can be put to work on one queue."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import redis
from celery import Celery
from kombu import Exchange, Queue

from orchestrator import interruption
from orchestrator.errors import UnavailableError
from orchestrator.fleet import roster
from orchestrator.fleet.attendance import Attendance
from orchestrator.fleet.claim import Claim
from orchestrator.fleet.lines import BROKEN, drop
from orchestrator.fleet.roster import Member, Offset
from orchestrator.fleet.run_queue import RunQueue
from orchestrator.surroundings import Broker
from worker.app import PREFIX
from worker.payloads.redis import ANSWER_S, connect
from worker.settings import Settings

SWITCH_S = 15.0
"""How long workers may take to start or stop serving the run's queue."""

FIND_AGAIN_S = 2.0
"""How long one look for workers that were there before takes at most."""

REJOIN_S = 30.0
"""How long a run waits for a broker or for workers that went away."""


class Fleet:
    """The workers of one run, and the queue that is its own.

    Whose workers they are makes no difference here: `embedded` and `external` make fleets.
    """

    def __init__(
        self,
        app: Celery,
        settings: Settings,
        broker: Broker,
        members: list[Member],
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
        self.on_check: Callable[[], None] | None = None
        self.revive: Callable[[], dict[str, str]] | None = None
        """Starts workers of ours anew that have ended, and tells of each; nobody does so for an external fleet."""
        self.claim: Claim | None = None
        """What says on a shared broker that its workers are in use."""
        self.proven = False
        """Whether every serving slot has answered a task since the choice of slots last changed."""
        self.breaks = 0
        """How often connections broke and were made anew: whatever else was connected before is to do the same."""
        self._wanted = self.slots
        self.attendance = Attendance(app)
        self.messages = RunQueue(app, settings, self.run_id)
        self.is_put_away = False
        """Whether it was closed, and the broker was reached to clear away what was left there."""
        self._unsettled = False
        self._in_vain = False
        self._befallen: str | None = None
        self._offsets: dict[str, Offset] = {}
        self._serving: list[Member] = []
        self._events: dict[str, bool] = {}

    @property
    def slots(self) -> int:
        """All slots of all members."""
        return sum(member.slots for member in self.members)

    def client(self, timeout_s: float = ANSWER_S) -> redis.Redis:
        """A new connection to the broker's Redis."""
        return connect(self.settings.broker_url, timeout_s, self.settings.tls)

    def broker_cpu_s(self) -> float | None:
        """CPU seconds that the broker has used since it started; `None` where it does not tell."""
        return self.messages.cpu_s()

    def check(self) -> None:
        """Look after what is ours of the fleet: workers that have ended are started anew; a claim is looked at.

        Raises:
            UnavailableError: something has ended that cannot be started anew.
        """
        if self.on_check is not None:
            self.on_check()
        if self.claim is not None:
            self.claim.check()
        if self.revive is not None and (ended := self.revive()):
            self.attendance.expect(ended)
            self.unsettle()
            self._befallen = self._befallen or next(iter(ended.values()))

    def serve(self, slots: int) -> None:
        """Have exactly `slots` slots serve the run's queue, and nobody else.

        A worker that was waiting for other queues goes on waiting for those alone, up to kombu's one second
        a BRPOP. So after a change the slots have yet to be `proven`, by tasks that each of them answers.

        Raises:
            UnavailableError: no set of workers has so many slots, or one does not follow.
        """
        chosen = self._choose(slots)
        names = {member.name for member in chosen}
        if names == {member.name for member in self._serving}:
            return
        self.proven = False
        before = {member.name for member in self._serving}
        self._tell("cancel_consumer", before - names, queue=self.run_id)
        self._tell(
            "add_consumer",
            names - before,
            queue=self.run_id,
            exchange=self.run_id,
            exchange_type="direct",
            routing_key=self.run_id,
        )
        self._serving = chosen
        self._await_queues(names)
        if not self.attendance.is_anybody_there:
            self.attendance.begin([member.name for member in self.members])

    def _choose(self, slots: int) -> list[Member]:
        """The members to serve; after a loss, once there are enough again."""
        if self._unsettled:
            self._muster(slots)
        try:
            return roster.choose(self.members, slots)
        except UnavailableError:
            if self.slots >= self._wanted:
                raise
        self._muster(slots)
        return roster.choose(self.members, slots)

    def _muster(self, slots: int) -> None:
        """Find the members anew: all of them where we can start them, else enough for `slots`.

        Raises:
            UnavailableError: they did not come in time.
        """
        patience_s = FIND_AGAIN_S if self._in_vain else REJOIN_S
        deadline = time.monotonic() + patience_s
        missing = ", ".join(self.attendance.missing) or "a worker"
        while True:
            interruption.check()
            self.check()
            found = roster.find(self.app, FIND_AGAIN_S, expected=len(self.members))
            enough = slots if self.revive is None else self._wanted
            if sum(member.slots for member in found) >= enough:
                break
            if time.monotonic() > deadline:
                self._in_vain = True
                have = sum(member.slots for member in found)
                raise UnavailableError(
                    f"{missing} was lost and did not come back within {patience_s:.0f} s: {have} of {enough} slots "
                    "are left; start it again, or ask for fewer --slots"
                )
        self._accept(found)

    def _accept(self, found: list[Member]) -> None:
        """From now on these are the members, and none of them serves."""
        names = {member.name for member in found}
        left = {member.name for member in self.members} - names
        if left:  # one that is only slow is told to let go, whenever it comes to listen
            self.app.control.cancel_consumer(self.run_id, destination=sorted(left))
        self._tell("cancel_consumer", names, queue=self.run_id)
        self.members, self._serving = [self._as_before(member) for member in found], []
        self._unsettled = self._in_vain = False
        self.attendance.begin(names)
        self.synchronise()

    def _as_before(self, found: Member) -> Member:
        """A member that sends events as it was told to is the one that was told; another one sends its own."""
        known = {member.name: member for member in self.members}.get(found.name)
        if known is not None and self._events.get(found.name) == found.events:
            return replace(found, events=known.events)
        self._events.pop(found.name, None)
        return found

    def changed(self) -> str | None:
        """What has befallen members since this was last asked; `None` for nothing.

        After a loss, the next `serve` finds the members anew.
        """
        found = self.attendance.changed()
        if not all(change.serves for change in found):
            self.unsettle()
            self.check()  # who is missing may have ended, and whoever ended it is told apart from one that is slow
        befallen, self._befallen = self._befallen, None
        return befallen or next((change.what for change in found), None)

    def forget_orphans(self) -> None:
        """Delete messages that were answered, or given up, by workers that are gone: they would come again.

        Nothing of this run may be under way.
        """
        held = self.messages.held()
        self._befallen = self.changed()
        self.messages.forget(tag for id_, tag in held.taken.items() if id_ not in self.attendance.busy_with)

    def unsettle(self) -> None:
        """Have the next `serve` find the members anew, and tell them again what to serve."""
        self._unsettled, self.proven = True, False

    @property
    def longest_s(self) -> float:
        """Within this long of silence a message was answered, whatever happened to its worker."""
        return self.settings.visibility_timeout_s + self.settings.task_time_limit_s

    @property
    def is_settled(self) -> bool:
        """Whether all members were there, as the same processes, when they were last asked."""
        return not self._unsettled

    def send_events(self, on: bool) -> None:
        """Have every member send task events, or none of them, until told otherwise or the fleet is closed.

        Raises:
            UnavailableError: a worker does not follow.
        """
        self._switch_events({member.name for member in self.members if self._sends(member) != on}, on)

    def _sends(self, member: Member) -> bool:
        return self._events.get(member.name, member.events)

    def _switch_events(self, names: set[str], on: bool) -> None:
        answers = self._tell("breakeven_events", names, on=on)
        for name in names:
            if answers[name].get("events") != on:
                raise UnavailableError(
                    f"worker {name} cannot switch its task events: {answers[name].get('error', 'it sends none')}; "
                    "start it with --task-events, from the same release as this orchestrator"
                )
            self._events[name] = on

    def offset_of(self, worker: str) -> Offset | None:
        """How far the worker's clock is ahead of ours, as last measured."""
        return self._offsets.get(worker)

    def synchronise(self) -> None:
        """Measure the offset of every member's clock anew; where a connection breaks, the last one stands."""
        for index, member in enumerate(self.members):
            try:
                offset = roster.measure_offset(self.app, member)
            except BROKEN:
                with suppress(*BROKEN):  # the next batch meets it too, and waits for the broker
                    self.disconnect()
                return
            if offset is not None:
                self._offsets[member.name] = offset
                self.members[index] = replace(member, offset=offset)

    def disconnect(self) -> None:
        """Drop the connections of remote control and of questions to the broker; what is done next makes new ones.

        A strategy drops its own when it finds that `breaks` has grown.
        """
        with self.app.connection_or_acquire() as connection, self.app.producer_or_acquire() as producer:
            for channel in (connection.default_channel, producer.channel):
                drop(channel)
        self.messages.close()
        self.breaks += 1

    def close(self) -> None:
        """Leave the broker as it was: no consumer, queue, binding, result or payload of this run."""
        silent = (UnavailableError, *BROKEN, redis.RedisError, OSError)
        with suppress(*silent):
            self._tell("cancel_consumer", {member.name for member in self._serving}, queue=self.run_id)
        changed = [each for each in self.members if each.events != self._sends(each)]
        for on in (True, False):
            with suppress(*silent):  # where one is gone, the others have been told all the same
                self._switch_events({each.name for each in changed if each.events == on}, on)
        self._serving = []
        with suppress(redis.RedisError, OSError):
            self.messages.forget(self.messages.held().taken.values())
            self.sweep()
            self.is_put_away = True
        self.messages.close()
        self.app.close()

    def dismiss(self) -> None:
        """Tell every worker that listens to let the run's queue go, and do not wait."""
        self.app.control.cancel_consumer(self.run_id)

    def sweep(self) -> None:
        """Delete every key that carries the run's name, on the broker and in the payload store."""
        for url in dict.fromkeys((self.settings.broker_url, self.settings.payload_store_url)):
            with connect(url, tls=self.settings.tls) as client:
                keys = list(client.scan_iter(match=f"*{self.run_id}*", count=1000))
                for start in range(0, len(keys), 1000):
                    client.unlink(*keys[start : start + 1000])

    def _tell(self, command: str, names: set[str], **arguments: str | bool) -> dict[str, Any]:
        if not names:
            return {}
        answers = roster.ask(self.app, command, names, SWITCH_S, **arguments)
        silent = names - set(answers)
        if silent:
            raise UnavailableError(
                f"worker {', '.join(sorted(silent))} gave no answer to {command} within {SWITCH_S:.0f} s; "
                "see if it still runs"
            )
        return answers

    def _await_queues(self, names: set[str]) -> None:
        """Wait until the chosen workers serve the queue, and the others have let it go."""
        deadline = time.monotonic() + SWITCH_S
        everyone = {member.name for member in self.members}
        while time.monotonic() < deadline:
            interruption.check()
            answers = roster.ask(self.app, "active_queues", everyone, SWITCH_S)
            serving = {
                name for name, queues in answers.items() if self.run_id in {queue["name"] for queue in queues}
            }
            if serving == names:
                return
            time.sleep(0.02)
        raise UnavailableError(f"the workers did not take up the queue {self.run_id} within {SWITCH_S:.0f} s")
