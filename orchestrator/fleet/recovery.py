"""What a run does when it loses workers: notice, restart those it started itself, and find them again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from celery import Celery

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.consumers import Consumers, TaskEvents
from orchestrator.fleet.liveness import Liveness
from orchestrator.fleet.run_queue import RunQueue
from orchestrator.fleet.workers import WorkerInfo
from orchestrator.model.runs import DEFAULT_POOL, Pool

RECOVERY_S: Final = 30.0  # seconds a run waits for a broker or workers after it notices their loss
SEARCH_S: Final = 2.0  # seconds one search for workers takes at most


class Recovery:
    """Notices what happens to workers, and finds them again after a loss.

    Attributes:
        full_slots: slots of the whole fleet, with no worker lost.
        checks: called between batches; each raises `UnavailableError` if something the run needs has ended.
        restart_workers: restarts workers of our own that have ended, and returns what happened by worker name;
            `None` for an external fleet.
        end_workers: ends workers of our own by name; `None` for an external fleet.
        is_needed: whether workers were missing or had been replaced when they were last asked.
    """

    def __init__(
        self, app: Celery, liveness: Liveness, consumers: Consumers, events: TaskEvents, slots: int
    ) -> None:
        self._app = app
        self._liveness = liveness
        self._consumers = consumers
        self._events = events
        self.full_slots = slots
        self.checks: list[Callable[[], None]] = []
        self.restart_workers: Callable[[], dict[str, str]] | None = None
        self.end_workers: Callable[[Collection[str]], None] | None = None
        self.is_needed = False
        self._lost_at: float | None = None
        self._unreported: str | None = None

    def check(self) -> None:
        """Run the checks, and restart workers of our own that have ended.

        Raises:
            UnavailableError: something has ended that cannot be restarted.
        """
        for check in self.checks:
            check()
        if self.restart_workers is not None and (ended := self.restart_workers()):
            self._liveness.expect_restart(ended)
            self.require()
            self._unreported = self._unreported or next(iter(ended.values()))

    def disturbance(self) -> str | None:
        """Return what happened to workers since the last call; `None` if nothing did."""
        changes = self._liveness.poll()
        if not all(change.still_consumes for change in changes):
            self.require()
            self.check()  # a missing worker may have ended, and that says more than that it gave no answer
        unreported, self._unreported = self._unreported, None
        return unreported or next((change.description for change in changes), None)

    def require(self) -> None:
        """Find the workers again, and assign their queue again, before the next batch."""
        if not self.is_needed:
            self._lost_at = time.monotonic()
        self.is_needed, self._consumers.confirmed = True, False

    def discard_orphans(self, queue: RunQueue) -> None:
        """Delete messages that no worker is working on any more; none of this run may be in flight."""
        snapshot = queue.snapshot()
        self._unreported = self.disturbance()
        active = self._liveness.active_tasks
        queue.discard(tag for task_id, tag in snapshot.fetched.items() if task_id not in active)

    def recover(self, before: Sequence[WorkerInfo], slots: int, pool: Pool) -> list[WorkerInfo]:
        """Find the workers again, and take them all off the run's queue.

        Args:
            before: the workers before the loss.
            slots: how many slots the next batch needs.
            pool: of the workers that have these slots.

        Raises:
            UnavailableError: too few came back in time, or one did not follow.
        """
        found = self._wait_for_workers(len(before), slots, pool)
        names = {worker.name for worker in found}
        self._consumers.reset(names, {worker.name for worker in before} - names)
        self.is_needed, self._lost_at = False, None
        return [self._events.recognise(worker, before) for worker in found]

    def _wait_for_workers(self, before: int, slots: int, pool: Pool) -> list[WorkerInfo]:
        """Wait for all workers if we can restart them, else for some of the pool that have exactly `slots` slots."""
        # One deadline for one loss: when it has passed, workers that stay away are looked for once, and not waited for.
        if self._lost_at is None:
            self._lost_at = time.monotonic()
        deadline = self._lost_at + RECOVERY_S
        missing = ", ".join(self._liveness.missing) or "a worker"
        expected: int | None = before
        while True:
            signals.check()
            self.check()
            left_s = deadline - time.monotonic()
            found = workers.find(self._app, min(SEARCH_S, left_s) if left_s > 0 else SEARCH_S, expected)
            lacks = self._lack(found, slots, pool)
            if lacks is None:
                return found
            if time.monotonic() >= deadline:
                raise UnavailableError(
                    f"{missing} was lost and did not come back within {RECOVERY_S:.0f} s: {lacks}; start it again, or "
                    "ask for fewer --slots"
                )
            if expected is not None and len(found) >= expected:
                expected = None  # as many answer as before, but not the ones that are needed: listen for all

    def _lack(self, found: Sequence[WorkerInfo], slots: int, pool: Pool) -> str | None:
        """Return which slots are missing; `None` if the workers that were found can do the next batch."""
        if self.restart_workers is not None:
            have = sum(worker.slots for worker in found)
            return None if have >= self.full_slots else f"{have} of {self.full_slots} slots are left"
        try:
            workers.choose(found, slots, pool)
        except UnavailableError:
            have = sum(worker.slots for worker in found if worker.pool == pool)
            if have < slots:
                where = "" if pool == DEFAULT_POOL else f" in pool {pool}"
                return f"{have} of {slots} slots are left{where}"
            return f"no workers that are left add up to {slots} slots"
        return None
