"""Checks on a Celery batch that has gone quiet.

A healthy batch never needs it. After some silence it asks the workers which tasks they have, and the broker which
messages. A message that a lost worker had fetched is requeued at once, not only after the visibility timeout; the
tasks of a message that neither a worker nor the broker has are lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.errors import UnavailableError
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.celery.outcomes import InFlightMessage

CHECK_AFTER_S: Final = 2.0  # seconds without a reply before a check, and between two checks
SLOW_S: Final = 1.0  # a healthy broker answers faster


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """Ids of messages that will get no reply, and the reason; the broker never received those in `unsent`."""

    lost: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class Watchdog:
    """Checks on one batch that `slots` slots serve; calls `note` with each disturbance."""

    fleet: Fleet
    slots: int
    note: Callable[[str], None]
    missing: frozenset[str] = frozenset()
    idle: bool = False

    def check(self, in_flight: Mapping[str, InFlightMessage], quiet_s: float) -> Unanswerable:
        """Make sure that every message in flight can still be answered, after `quiet_s` seconds of silence.

        A message counts as missing only if two checks in a row do not find it: on its way from the queue to a worker
        it is in neither for a moment.

        Raises:
            UnavailableError: the broker has ended, or its memory is full.
        """
        self.fleet.check()
        asked_at = time.monotonic()
        self.fleet.run_queue.check_memory()
        if (took_s := time.monotonic() - asked_at) > SLOW_S:
            self.note(f"the broker took {took_s:.1f} s to answer")
        if (disturbance := self.fleet.disturbance()) is not None:
            self.note(disturbance)
        if quiet_s > self.fleet.answer_timeout_s:
            return Unanswerable(tuple(in_flight), reason=f"none within {quiet_s:.0f} s")
        if not self.fleet.limits_time and quiet_s > self.fleet.settings.task_time_limit_s:
            return Unanswerable(tuple(in_flight), reason=self.fleet.end_overrun())
        if self.fleet.liveness.has_suspects:
            return Unanswerable()
        if self.fleet.needs_recovery:
            try:
                self.fleet.use_slots(self.slots)
            except UnavailableError as error:
                return Unanswerable(tuple(in_flight), reason=str(error))
        return self._find_missing(in_flight)

    def _find_missing(self, in_flight: Mapping[str, InFlightMessage]) -> Unanswerable:
        busy = self.fleet.liveness.active_tasks & in_flight.keys()
        waiting = self.fleet.run_queue.length()
        self._serve_again_if_idle(waiting, busy)
        if waiting + len(busy) >= len(in_flight):
            self.missing = frozenset()
            return Unanswerable()
        snapshot = self.fleet.run_queue.snapshot()
        if (disturbance := self.fleet.disturbance()) is not None:
            self.note(disturbance)
            return Unanswerable()
        busy = self.fleet.liveness.active_tasks & in_flight.keys()
        orphans = (snapshot.fetched.keys() & in_flight.keys()) - busy
        if orphans:
            self.note(f"a worker left {len(orphans)} messages without a reply; they were queued again")
            self.fleet.run_queue.requeue(snapshot.fetched[id_] for id_ in orphans)
        missing = frozenset(id_ for id_ in in_flight if id_ not in snapshot and id_ not in busy)
        gone, self.missing = missing & self.missing, missing
        lost = tuple(id_ for id_ in gone if in_flight[id_].accepted)
        unsent = tuple(id_ for id_ in gone if not in_flight[id_].accepted)
        return Unanswerable(lost, unsent, "the broker has neither the message nor its result")

    def _serve_again_if_idle(self, waiting: int, busy: set[str]) -> None:
        """Have the workers consume the queue again if two checks in a row find messages and no busy worker.

        Workers that lost their connection may come back without consuming the queue.
        """
        idle = bool(waiting) and not busy
        if idle and self.idle:
            self.note("messages waited in the queue and no worker fetched them")
            self.fleet.require_recovery()
        self.idle = idle and not self.idle
