"""What a run tells its workers: which of them consume its queue, and whether they send task events."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from celery import Celery

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import answers, workers
from orchestrator.fleet.workers import COMMAND_TIMEOUT_S, WorkerInfo

POLL_S: Final = 0.02  # seconds between two looks at which workers consume the queue


class Consumers:
    """The workers that consume one queue, by name.

    Attributes:
        confirmed: whether every slot has answered a task since the consumers last changed.
    """

    def __init__(self, app: Celery, queue: str) -> None:
        self._app = app
        self._queue = queue
        self._names: set[str] = set()
        self.confirmed = False

    def assign(self, names: set[str], all_names: Collection[str]) -> bool:
        """Have exactly `names` of `all_names` consume the queue; return whether that was a change.

        A worker that is waiting on its other queues may need another second (kombu's BRPOP) before it looks at this
        one. So after a change the slots are not `confirmed` until each of them has answered a task.

        Raises:
            UnavailableError: a worker did not follow in time.
        """
        before = self._names
        if names == before:
            return False
        self.confirmed = False
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        workers.command(self._app, "cancel_consumer", before - names, deadline, queue=self._queue)
        workers.command(
            self._app,
            "add_consumer",
            names - before,
            deadline,
            queue=self._queue,
            exchange=self._queue,
            exchange_type="direct",
            routing_key=self._queue,
        )
        self._names = names
        self._wait_for_change(all_names, deadline)
        return True

    def reset(self, present: set[str], absent: set[str]) -> None:
        """Assume that no worker consumes the queue any more, and make sure of it.

        Args:
            present: workers that answer; each must confirm.
            absent: workers that do not; one that is only slow gets the message when it listens again.

        Raises:
            UnavailableError: a present worker did not follow in time.
        """
        if absent:
            self._app.control.cancel_consumer(self._queue, destination=sorted(absent))
        workers.command(self._app, "cancel_consumer", present, queue=self._queue)
        self._names = set()

    def cancel(self, deadline: float) -> None:
        """Have all consumers leave the queue before the deadline, by the monotonic clock.

        Raises:
            UnavailableError: a worker did not follow in time.
        """
        names, self._names = self._names, set()
        workers.command(self._app, "cancel_consumer", names, deadline, queue=self._queue)

    def _wait_for_change(self, all_names: Collection[str], deadline: float) -> None:
        while (left_s := deadline - time.monotonic()) > 0:
            signals.check()
            found = workers.ask(self._app, "active_queues", all_names, left_s)
            consuming = {name for name, answer in found.items() if self._queue in _queues(name, answer)}
            if consuming == self._names:
                return
            time.sleep(POLL_S)
        raise UnavailableError(
            f"the workers did not switch to queue {self._queue} within {COMMAND_TIMEOUT_S:.0f} s; "
            "see in their log whether they are busy or have lost the broker"
        )


def _queues(worker: str, answer: Any) -> set[str]:
    return {queue.name for queue in answers.read(answers.ACTIVE_QUEUES, worker, "active_queues", answer)}


class TaskEvents:
    """Whether workers send task events, which Flower shows; restored to what it was before the run."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._switched: dict[str, bool] = {}

    def switch(self, fleet: Iterable[WorkerInfo], on: bool) -> None:
        """Have all workers send task events, or none.

        Raises:
            UnavailableError: a worker did not follow.
        """
        self._switch({worker.name for worker in fleet if self._sends(worker) != on}, on)

    def restore(self, fleet: Iterable[WorkerInfo], deadline: float) -> None:
        """Switch events back to what they were before the run, on every worker that answers before the deadline."""
        changed = [worker for worker in fleet if worker.events != self._sends(worker)]
        for on in (True, False):
            # A worker that is gone does not keep the others from being switched back.
            with suppress(UnavailableError):
                self._switch({worker.name for worker in changed if worker.events == on}, on, deadline)

    def recognise(self, found: WorkerInfo, before: Iterable[WorkerInfo]) -> WorkerInfo:
        """Return a worker that was found again, with the event setting to restore at the end.

        If it sends events as this run switched them, it is the same process, and its original setting still counts.
        Otherwise it was restarted and its current setting is its own.
        """
        known = {worker.name: worker for worker in before}.get(found.name)
        if known is not None and self._switched.get(found.name) == found.events:
            return replace(found, events=known.events)
        self._switched.pop(found.name, None)
        return found

    def _sends(self, worker: WorkerInfo) -> bool:
        return self._switched.get(worker.name, worker.events)

    def _switch(self, names: set[str], on: bool, deadline: float | None = None) -> None:
        found = workers.command(self._app, "breakeven_events", names, deadline, on=on)
        for name in names:
            switch = answers.read(answers.EventsSwitch, name, "breakeven_events", found[name])
            if switch.events != on:
                raise UnavailableError(
                    f"worker {name} cannot switch its task events: {switch.error}; "
                    "start it with --task-events, from the same release as this orchestrator"
                )
            self._switched[name] = on
