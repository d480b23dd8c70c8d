"""Who of a fleet is there, as which processes, and at what: asked over Celery's remote control."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from celery import Celery

from orchestrator.fleet.workers import ask

ANSWER_S = 2.0
"""A worker that gives no answer for so long is missed; it may only be slow."""

DEAD_AFTER_S = 15.0
"""A worker that gives no answer for so long is taken for dead."""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker that answered: its process, its slots' processes, and the ids of tasks that it still has."""

    pid: int
    slots: frozenset[int]
    tasks: frozenset[str]

    @classmethod
    def of(cls, answer: Any) -> WorkerStatus | None:
        """What an answer says; `None` for one that is not ours."""
        try:
            slots, tasks = frozenset(map(int, answer["slots"])), frozenset(map(str, answer["tasks"]))
            return cls(int(answer["pid"]), slots, tasks)
        except (TypeError, KeyError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class WorkerChange:
    """What has befallen a worker; `serves` tells whether it can have gone on serving its queues."""

    what: str
    serves: bool


def changes(before: Mapping[str, WorkerStatus], after: Mapping[str, WorkerStatus]) -> Iterator[WorkerChange]:
    """What has befallen workers since `before`."""
    for name, then in sorted(before.items()):
        now = after.get(name)
        if now is None:
            yield WorkerChange(f"worker {name} gave no answer", serves=False)
        elif now.pid != then.pid:
            yield WorkerChange(f"worker {name} was started anew", serves=False)
        elif now.slots != then.slots:
            yield WorkerChange(f"a slot process of worker {name} was replaced", serves=True)


class Liveness:
    """Remembers who was there, so that it can tell what has changed."""

    def __init__(self, app: Celery) -> None:
        """Nobody has been asked yet."""
        self._app = app
        self._present: dict[str, WorkerStatus] = {}
        self._missed_since: dict[str, float] = {}

    def track(self, names: Collection[str]) -> None:
        """Take these for the ones who should be there."""
        self._present = self._ask(names)
        self._missed_since.clear()

    def expect_restart(self, names: Iterable[str]) -> None:
        """These have ended and are being started anew: nobody need miss them before they should be there."""
        for name in names:
            self._present.pop(name, None)
            self._missed_since.pop(name, None)

    def poll(self) -> list[WorkerChange]:
        """What has befallen workers since this was last asked; one that is missing is told of each time."""
        before, here = self._present, self._ask(self._present.keys())
        missing, now = before.keys() - here.keys(), time.monotonic()
        self._missed_since = {name: self._missed_since.get(name, now) for name in missing}
        self._present = {**{name: before[name] for name in missing}, **here}
        return list(changes(before, here))

    @property
    def missing(self) -> list[str]:
        """Those who gave no answer when they were last asked."""
        return sorted(self._missed_since)

    @property
    def active_tasks(self) -> set[str]:
        """Ids of tasks that those who answered still had."""
        return {task for name in self._here for task in self._present[name].tasks}

    @property
    def any_present(self) -> bool:
        """Whether at least one answered."""
        return bool(self._here)

    @property
    def has_suspects(self) -> bool:
        """Whether somebody gave no answer, and not yet for so long that it must be dead."""
        now = time.monotonic()
        return any(now - since < DEAD_AFTER_S for since in self._missed_since.values())

    @property
    def _here(self) -> set[str]:
        return self._present.keys() - self._missed_since.keys()

    def _ask(self, names: Collection[str]) -> dict[str, WorkerStatus]:
        """The named workers that answer in time; returns at once when all of them have."""
        answers = ask(self._app, "breakeven_present", names, ANSWER_S)
        return {
            name: here for name, answer in answers.items() if (here := WorkerStatus.of(answer)) is not None
        }
