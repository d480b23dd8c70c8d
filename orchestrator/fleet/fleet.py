"""A fleet: Celery workers behind a broker, of which any number of slots can be put to work on one queue."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

import redis
from celery import Celery
from kombu import Exchange, Queue

from orchestrator.errors import UnavailableError
from orchestrator.fleet import roster
from orchestrator.fleet.roster import Member, Offset
from orchestrator.model import Broker
from worker.app import PREFIX
from worker.payloads.redis import connect
from worker.settings import Settings

SWITCH_S = 15.0
"""How long workers may take to start or stop serving the run's queue."""


class Fleet:
    """The workers of one run, and the queue that is its own.

    Whose workers they are makes no difference here: `embedded` and `external` make fleets.
    """

    def __init__(self, app: Celery, settings: Settings, broker: Broker, members: list[Member]) -> None:
        """A fleet of `members` that listen on the app's broker; `run_id` names the queue and every key."""
        self.app = app
        self.settings = settings
        self.broker = broker
        self.members = [*members]
        self.run_id = f"{PREFIX}-{secrets.token_hex(6)}"
        self.queue = Queue(self.run_id, Exchange(self.run_id, type="direct"), routing_key=self.run_id)
        self.on_check: Callable[[], None] | None = None
        self._offsets: dict[str, Offset] = {}
        self._serving: list[Member] = []
        self._asking: redis.Redis | None = None

    @property
    def slots(self) -> int:
        """All slots of all members."""
        return sum(member.slots for member in self.members)

    def client(self, timeout_s: float = 30.0) -> redis.Redis:
        """A new connection to the broker's Redis."""
        return connect(self.settings.broker_url, timeout_s)

    def broker_cpu_s(self) -> float | None:
        """CPU seconds that the broker has used since it started; `None` where it does not tell."""
        try:
            if self._asking is None:
                self._asking = self.client(timeout_s=5.0)
            cpu = self._asking.info("cpu")
        except (redis.RedisError, OSError):
            return None
        return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])

    def check(self) -> None:
        """Raise if a part of the fleet that we look after has ended."""
        if self.on_check is not None:
            self.on_check()

    def serve(self, slots: int) -> bool:
        """Have exactly `slots` slots serve the run's queue, and nobody else; whether that is a change.

        A worker that was waiting for other queues goes on waiting for those alone, up to kombu's one second
        a BRPOP. So after a change the slots have yet to be proven, by tasks that each of them answers.

        Raises:
            UnavailableError: no set of workers has so many slots, or one does not follow.
        """
        chosen = roster.choose(self.members, slots)
        if chosen == self._serving:
            return False
        names = {member.name for member in chosen}
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
        return True

    def recall(self) -> list[str]:
        """Take every message that no worker has fetched out of the run's queue; gives their task ids."""
        with self.client() as client, client.pipeline(transaction=True) as pipe:
            pipe.lrange(self.queue.name, 0, -1)
            pipe.delete(self.queue.name)
            messages, _ = pipe.execute()
        return [str(json.loads(message)["headers"]["id"]) for message in messages]

    def offset_of(self, worker: str) -> Offset | None:
        """How far the worker's clock is ahead of ours, as last measured."""
        return self._offsets.get(worker)

    def synchronise(self) -> None:
        """Measure the offset of every member's clock anew."""
        for index, member in enumerate(self.members):
            offset = roster.measure_offset(self.app, member)
            if offset is not None:
                self._offsets[member.name] = offset
                self.members[index] = Member(
                    **{name: getattr(member, name) for name in member.__slots__ if name != "offset"},
                    offset=offset,
                )

    def alive(self, timeout_s: float = 2.0) -> set[str]:
        """The names of the serving members that answer."""
        names = [member.name for member in self._serving]
        return set(roster.ask(self.app, "breakeven_clock", names, timeout_s))

    def close(self) -> None:
        """Leave the broker as it was: no consumer, queue, binding, result or payload of this run."""
        with suppress(UnavailableError, *self.app.connection().connection_errors, redis.RedisError, OSError):
            self._tell("cancel_consumer", {member.name for member in self._serving}, queue=self.run_id)
        self._serving = []
        with suppress(redis.RedisError, OSError):
            self.sweep()
        if self._asking is not None:
            self._asking.close()
        self.app.close()

    def sweep(self) -> None:
        """Delete every key that carries the run's name."""
        with self.client() as client:
            for pattern in (f"*{self.run_id}*",):
                keys = list(client.scan_iter(match=pattern, count=1000))
                for start in range(0, len(keys), 1000):
                    client.unlink(*keys[start : start + 1000])

    def _tell(self, command: str, names: set[str], **arguments: str) -> None:
        if not names:
            return
        answers = roster.ask(self.app, command, names, SWITCH_S, **arguments)
        silent = names - set(answers)
        if silent:
            raise UnavailableError(
                f"worker {', '.join(sorted(silent))} gave no answer to {command} within {SWITCH_S:.0f} s; "
                "see if it still runs"
            )

    def _await_queues(self, names: set[str]) -> None:
        """Wait until the chosen workers serve the queue, and the others have let it go."""
        deadline = time.monotonic() + SWITCH_S
        everyone = {member.name for member in self.members}
        while time.monotonic() < deadline:
            answers = roster.ask(self.app, "active_queues", everyone, SWITCH_S)
            serving = {
                name for name, queues in answers.items() if self.run_id in {queue["name"] for queue in queues}
            }
            if serving == names:
                return
            time.sleep(0.02)
        raise UnavailableError(f"the workers did not take up the queue {self.run_id} within {SWITCH_S:.0f} s")
