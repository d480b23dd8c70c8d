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

FIND_AGAIN_S = 2.0
"""How long one look for workers that were there before takes at most."""

REJOIN_S = 30.0
"""How long a run waits for a broker or for workers that went away."""


class Recovery:
    """Notices what befalls the members, and finds them anew after a loss."""

    def __init__(
        self, app: Celery, attendance: Liveness, serving: Consumers, events: TaskEvents, slots: int
    ) -> None:
        """All is well, with `slots` slots, which are as many as there will ever be."""
        self._app = app
        self._attendance = attendance
        self._serving = serving
        self._events = events
        self.full_slots = slots
        """Slots of the whole fleet, when nobody is lost."""
        self.checks: list[Callable[[], None]] = []
        """Each raises `UnavailableError` where something has ended that a run cannot do without."""
        self.revive: Callable[[], dict[str, str]] | None = None
        """Starts workers of ours anew that have ended, and tells of each; nobody does so for an external fleet."""
        self.is_settled = True
        """Whether all members were there, as the same processes, when they were last asked."""
        self._in_vain = False
        self._befallen: str | None = None

    def check(self) -> None:
        """Look after what is ours; workers that have ended are started anew.

        Raises:
            UnavailableError: something has ended that cannot be started anew.
        """
        for check in self.checks:
            check()
        if self.revive is not None and (ended := self.revive()):
            self._attendance.expect(ended)
            self.unsettle()
            self._befallen = self._befallen or next(iter(ended.values()))

    def changed(self) -> str | None:
        """What has befallen members since this was last asked; `None` for nothing."""
        found = self._attendance.changed()
        if not all(change.serves for change in found):
            self.unsettle()
            self.check()  # who is missing may have ended, and whoever ended it is told apart from one that is slow
        befallen, self._befallen = self._befallen, None
        return befallen or next((change.what for change in found), None)

    def unsettle(self) -> None:
        """The members are to be found anew, and told again what to serve."""
        self.is_settled = self._serving.proven = False

    def forget_orphans(self, messages: RunQueue) -> None:
        """Delete messages that were answered, or given up, by workers that are gone; nothing may be under way."""
        held = messages.held()
        self._befallen = self.changed()
        messages.forget(tag for id_, tag in held.taken.items() if id_ not in self._attendance.busy_with)

    def find_again(self, members: Sequence[WorkerInfo], slots: int) -> list[WorkerInfo]:
        """The members, found anew, of whom none serves; `members` are those there were before.

        Raises:
            UnavailableError: they did not come in time, or one does not follow.
        """
        found = self._wait_for_workers(len(members), slots)
        names = {member.name for member in found}
        self._serving.begin_anew(names, {member.name for member in members} - names)
        again = [self._events.found_again(member, members) for member in found]
        self.is_settled, self._in_vain = True, False
        return again

    def _wait_for_workers(self, expected: int, slots: int) -> list[WorkerInfo]:
        """Workers that answer: all of them where we can start them, else enough for `slots`."""
        patience_s = FIND_AGAIN_S if self._in_vain else REJOIN_S
        deadline = time.monotonic() + patience_s
        missing = ", ".join(self._attendance.missing) or "a worker"
        enough = slots if self.revive is None else self.full_slots
        while True:
            signals.check()
            self.check()
            found = workers.find(self._app, FIND_AGAIN_S, expected)
            have = sum(member.slots for member in found)
            if have >= enough:
                return found
            if time.monotonic() > deadline:
                self._in_vain = True
                raise UnavailableError(
                    f"{missing} was lost and did not come back within {patience_s:.0f} s: {have} of {enough} slots "
                    "are left; start it again, or ask for fewer --slots"
                )
