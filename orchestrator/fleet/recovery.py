"""What becomes of a fleet when workers are lost: noticed, started anew where they are ours, and found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from celery import Celery

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.consumers import Consumers
from orchestrator.fleet.liveness import Liveness
from orchestrator.fleet.run_queue import RunQueue
from orchestrator.fleet.task_events import TaskEvents
from orchestrator.fleet.workers import WorkerInfo

SEARCH_S = 2.0
"""How long one look for workers that were there before takes at most."""

RECOVERY_S = 30.0
"""How long a run waits for a broker or for workers that went away."""


class Recovery:
    """Notices what befalls the members, and finds them anew after a loss."""

    def __init__(
        self, app: Celery, liveness: Liveness, consumers: Consumers, events: TaskEvents, slots: int
    ) -> None:
        """All is well, with `slots` slots, which are as many as there will ever be."""
        self._app = app
        self._liveness = liveness
        self._consumers = consumers
        self._events = events
        self.full_slots = slots
        """Slots of the whole fleet, when nobody is lost."""
        self.checks: list[Callable[[], None]] = []
        """Each raises `UnavailableError` where something has ended that a run cannot do without."""
        self.restart_workers: Callable[[], dict[str, str]] | None = None
        """Starts workers of ours anew that have ended, and tells of each; nobody does so for an external fleet."""
        self.is_needed = False
        """Whether workers were missing or had been replaced when they were last asked."""
        self._gave_up = False
        self._pending: str | None = None

    def check(self) -> None:
        """Look after what is ours; workers that have ended are started anew.

        Raises:
            UnavailableError: something has ended that cannot be started anew.
        """
        for check in self.checks:
            check()
        if self.restart_workers is not None and (ended := self.restart_workers()):
            self._liveness.expect_restart(ended)
            self.require()
            self._pending = self._pending or next(iter(ended.values()))

    def disturbance(self) -> str | None:
        """What has happened members since this was last asked; `None` for nothing."""
        found = self._liveness.poll()
        if not all(change.serves for change in found):
            self.require()
            self.check()  # who is missing may have ended, and whoever ended it is told apart from one that is slow
        happened, self._pending = self._pending, None
        return happened or next((change.what for change in found), None)

    def require(self) -> None:
        """The members are to be found anew, and told again what to serve."""
        self.is_needed, self._consumers.confirmed = True, False

    def discard_orphans(self, messages: RunQueue) -> None:
        """Delete messages that were answered, or given up, by workers that are gone; nothing may be under way."""
        held = messages.snapshot()
        self._pending = self.disturbance()
        messages.discard(tag for id_, tag in held.fetched.items() if id_ not in self._liveness.active_tasks)

    def recover(self, members: Sequence[WorkerInfo], slots: int) -> list[WorkerInfo]:
        """The members, found anew, of whom none serves; `members` are those there were before.

        Raises:
            UnavailableError: they did not come in time, or one does not follow.
        """
        found = self._wait_for_workers(len(members), slots)
        names = {member.name for member in found}
        self._consumers.reset(names, {member.name for member in members} - names)
        again = [self._events.found_again(member, members) for member in found]
        self.is_needed = self._gave_up = False
        return again

    def _wait_for_workers(self, expected: int, slots: int) -> list[WorkerInfo]:
        """Workers that answer: all of them where we can start them, else enough for `slots`."""
        patience_s = SEARCH_S if self._gave_up else RECOVERY_S
        deadline = time.monotonic() + patience_s
        missing = ", ".join(self._liveness.missing) or "a worker"
        enough = slots if self.restart_workers is None else self.full_slots
        while True:
            signals.check()
            self.check()
            found = workers.find(self._app, SEARCH_S, expected)
            have = sum(member.slots for member in found)
            if have >= enough:
                return found
            if time.monotonic() > deadline:
                self._gave_up = True
                raise UnavailableError(
                    f"{missing} was lost and did not come back within {patience_s:.0f} s: {have} of {enough} slots "
                    "are left; start it again, or ask for fewer --slots"
                )
