"""Which workers are alive, as which processes, and on which tasks: asked over Celery's remote control."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from celery import Celery

from orchestrator.fleet.answers import Status
from orchestrator.fleet.workers import ask
from worker.envelope import RejectedMessageError, validate

SUSPECT_AFTER_S: Final = 2.0  # seconds without an answer until a worker is suspected; it may be slow
DEAD_AFTER_S: Final = 15.0  # seconds without an answer after which a worker counts as dead


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What a worker that is alive reports: its process, its slot processes, and the ids of its tasks."""

    process: tuple[int, str]  # its id, which a restart in a container keeps, and what it drew when it started
    slot_pids: frozenset[int]
    tasks: frozenset[str]

    @classmethod
    def from_answer(cls, answer: Any) -> WorkerStatus | None:
        """Read a worker's answer; `None` if it is not valid, which counts as none."""
        try:
            status = validate(Status, answer, "an answer")
        except RejectedMessageError:
            return None
        return cls((status.pid, status.identity), frozenset(status.slots), frozenset(status.tasks))


@dataclass(frozen=True, slots=True)
class WorkerChange:
    """What happened to a worker, and whether it can still consume its queues."""

    description: str
    still_consumes: bool


def changes(before: Mapping[str, WorkerStatus], after: Mapping[str, WorkerStatus]) -> Iterator[WorkerChange]:
    """Compare two polls of the same workers."""
    for name, then in sorted(before.items()):
        now = after.get(name)
        if now is None:
            yield WorkerChange(f"worker {name} gave no answer", still_consumes=False)
        elif now.process != then.process:
            yield WorkerChange(f"worker {name} was restarted", still_consumes=False)
        elif now.slot_pids != then.slot_pids:
            yield WorkerChange(f"a slot process of worker {name} was replaced", still_consumes=True)


class Liveness:
    """Polls a set of workers and remembers the answers, so that it can report what changed.

    `silence_s` is how long a worker may be silent because it is busy, by name; others always answer.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._known: dict[str, WorkerStatus] = {}
        self._suspect_since: dict[str, float] = {}
        self.silence_s: Mapping[str, float] = {}

    def track(self, names: Collection[str]) -> None:
        """Poll these workers from now on, in place of any others."""
        self._known = self._poll(names)
        self._suspect_since.clear()

    def expect_restart(self, names: Iterable[str]) -> None:
        """Stop tracking workers that have ended and are being restarted, until they are found again."""
        for name in names:
            self._known.pop(name, None)
            self._suspect_since.pop(name, None)

    def poll(self) -> list[WorkerChange]:
        """Ask all tracked workers; return what changed since the last poll, and every worker still missing."""
        before, answered = self._known, self._poll(self._known.keys())
        missing, now = before.keys() - answered.keys(), time.monotonic()
        self._suspect_since = {name: self._suspect_since.get(name, now) for name in missing}
        self._known = {**{name: before[name] for name in missing}, **answered}
        busy = {name for name in missing if now - self._suspect_since[name] < self.silence_s.get(name, 0.0)}
        return list(changes({name: status for name, status in before.items() if name not in busy}, answered))

    @property
    def missing(self) -> list[str]:
        """Workers that did not answer the last poll."""
        return sorted(self._suspect_since)

    @property
    def active_tasks(self) -> set[str]:
        """Ids of the tasks that workers had when they answered the last poll."""
        return {task for name in self._answered for task in self._known[name].tasks}

    @property
    def busy(self) -> set[str]:
        """Workers that had tasks when they answered the last poll, or were too busy to answer it."""
        silent = self._suspect_since.keys() & self.silence_s.keys()
        return silent | {name for name in self._answered if self._known[name].tasks}

    @property
    def any_answered(self) -> bool:
        """Whether at least one worker answered the last poll."""
        return bool(self._answered)

    @property
    def has_suspects(self) -> bool:
        """Whether a worker is missing, but not for so long that it counts as dead."""
        now = time.monotonic()
        return any(
            now - since < max(DEAD_AFTER_S, self.silence_s.get(name, 0.0))
            for name, since in self._suspect_since.items()
        )

    @property
    def _answered(self) -> set[str]:
        return self._known.keys() - self._suspect_since.keys()

    def _poll(self, names: Collection[str]) -> dict[str, WorkerStatus]:
        answers = ask(self._app, "breakeven_present", names, SUSPECT_AFTER_S)
        statuses = {name: WorkerStatus.from_answer(answer) for name, answer in answers.items()}
        return {name: status for name, status in statuses.items() if status is not None}
