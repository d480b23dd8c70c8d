"""Task events, which Flower reads: switched on and off at the workers, and put back as they were."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import redis
from celery import Celery

from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.connections import CONNECTION_ERRORS
from orchestrator.fleet.workers import WorkerInfo


class TaskEvents:
    """Who sends task events: a member says what it did when it was found, and may have been told otherwise since."""

    def __init__(self, app: Celery) -> None:
        """Nobody has been told anything."""
        self._app = app
        self._told: dict[str, bool] = {}

    def send(self, members: Iterable[WorkerInfo], on: bool) -> None:
        """Have every member send them, or none, until told otherwise.

        Raises:
            UnavailableError: a worker does not follow.
        """
        self._switch({member.name for member in members if self._sends(member) != on}, on)

    def restore(self, members: Iterable[WorkerInfo]) -> None:
        """Have members send them again as they did when they were found, as far as they can be reached."""
        changed = [member for member in members if member.events != self._sends(member)]
        for on in (True, False):
            # Where one is gone, the others have been told all the same.
            with suppress(UnavailableError, *CONNECTION_ERRORS, redis.RedisError, OSError):
                self._switch({member.name for member in changed if member.events == on}, on)

    def found_again(self, found: WorkerInfo, before: Iterable[WorkerInfo]) -> WorkerInfo:
        """A member that sends events as it was told to is the one that was told; another one sends its own."""
        known = {member.name: member for member in before}.get(found.name)
        if known is not None and self._told.get(found.name) == found.events:
            return replace(found, events=known.events)
        self._told.pop(found.name, None)
        return found

    def _sends(self, member: WorkerInfo) -> bool:
        return self._told.get(member.name, member.events)

    def _switch(self, names: set[str], on: bool) -> None:
        answers = workers.command(self._app, "breakeven_events", names, on=on)
        for name in names:
            if answers[name].get("events") != on:
                raise UnavailableError(
                    f"worker {name} cannot switch its task events: {answers[name].get('error', 'it sends none')}; "
                    "start it with --task-events, from the same release as this orchestrator"
                )
            self._told[name] = on
