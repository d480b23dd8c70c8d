"""Looks after a Celery batch that has gone quiet.

A healthy batch never comes here. After some silence the workers are asked what they are at, and the broker
what it holds. A message that a worker took which is gone is given back at once, instead of after the visibility
timeout; one that nobody has any more will have no answer, and its tasks are lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.errors import UnavailableError
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.celery.outcomes import InFlightMessage

QUIET_S = 2.0
"""After this long without an answer, and again every so often, the batch is looked after."""

SLOW_S = 1.0
"""A broker that takes longer to answer than this is not well."""


@dataclass(frozen=True, slots=True)
class Fate:
    """Messages that have no answer to come: their ids, and why; of those in `unsent` the broker never heard."""

    lost: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()
    why: str = ""


@dataclass(slots=True)
class Watchdog:
    """Looks after one batch, that is done by `slots` slots. `note` is told what disturbs it."""

    fleet: Fleet
    slots: int
    note: Callable[[str], None]
    missing: frozenset[str] = field(default_factory=frozenset)
    idle: bool = False

    def look(self, under_way: Mapping[str, InFlightMessage], quiet_s: float) -> Fate:
        """See to it that everything under way can still be answered, after `quiet_s` seconds of silence.

        Two looks in a row must miss a message: between queue and worker there is a moment in which it is in neither.

        Raises:
            UnavailableError: the broker is out of memory, or has ended.
        """
        self.fleet.check()
        asked_at = time.monotonic()
        self.fleet.run_queue.check_memory()
        if (took_s := time.monotonic() - asked_at) > SLOW_S:
            self.note(f"the broker took {took_s:.1f} s to answer")
        if (what := self.fleet.disturbance()) is not None:
            self.note(what)
        if quiet_s > self.fleet.answer_timeout_s:
            return Fate(tuple(under_way), why=f"no answer in {quiet_s:.0f} s")
        if self.fleet.liveness.has_suspects:
            return Fate()
        if self.fleet.needs_recovery:
            try:
                self.fleet.use_slots(self.slots)
            except UnavailableError as error:
                return Fate(tuple(under_way), why=str(error))
        return self._fate(under_way)

    def _fate(self, under_way: Mapping[str, InFlightMessage]) -> Fate:
        busy = self.fleet.liveness.active_tasks & under_way.keys()
        waiting = self.fleet.run_queue.length()
        self._see_that_somebody_serves(waiting, busy)
        if waiting + len(busy) >= len(under_way):
            self.missing = frozenset()
            return Fate()
        held = self.fleet.run_queue.snapshot()
        if (what := self.fleet.disturbance()) is not None:
            self.note(what)
            return Fate()
        busy = self.fleet.liveness.active_tasks & under_way.keys()
        orphans = (held.fetched.keys() & under_way.keys()) - busy
        if orphans:
            self.note(f"a worker left {len(orphans)} of its messages unanswered; they were given to others")
            self.fleet.run_queue.requeue(held.fetched[id_] for id_ in orphans)
        missing = frozenset(id_ for id_ in under_way if id_ not in held and id_ not in busy)
        gone, self.missing = missing & self.missing, missing
        lost = tuple(id_ for id_ in gone if under_way[id_].accepted)
        unsent = tuple(id_ for id_ in gone if not under_way[id_].accepted)
        return Fate(lost, unsent, "the broker has neither its message nor its result any more")

    def _see_that_somebody_serves(self, waiting: int, busy: set[str]) -> None:
        """Workers that lost their connection may have come back without taking up the queue."""
        idle = bool(waiting) and not busy
        if idle and self.idle:
            self.note("messages waited, and no worker took them")
            self.fleet.require_recovery()
        self.idle = idle and not self.idle
