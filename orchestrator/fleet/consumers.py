"""Which workers serve the run's queue: told over Celery's remote control, and seen to have followed."""

from __future__ import annotations

import time
from collections.abc import Collection

from celery import Celery

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.workers import COMMAND_TIMEOUT_S


class Consumers:
    """The workers that serve one queue, by name."""

    def __init__(self, app: Celery, queue: str) -> None:
        """Nobody serves `queue` yet."""
        self._app = app
        self._queue = queue
        self._names: set[str] = set()
        self.confirmed = False
        """Whether every serving slot has answered a task since it was last changed who serves."""

    def assign(self, names: set[str], everyone: Collection[str]) -> bool:
        """Have `names` serve the queue and nobody else of `everyone`; whether that was a change.

        A worker that was waiting for other queues goes on waiting for those alone, up to kombu's one second
        a BRPOP. So after a change the slots have yet to be `confirmed`, by tasks that each of them answers.

        Raises:
            UnavailableError: a worker does not follow.
        """
        before = self._names
        if names == before:
            return False
        self.confirmed = False
        workers.command(self._app, "cancel_consumer", before - names, queue=self._queue)
        workers.command(
            self._app,
            "add_consumer",
            names - before,
            queue=self._queue,
            exchange=self._queue,
            exchange_type="direct",
            routing_key=self._queue,
        )
        self._names = names
        self._await_change(everyone)
        return True

    def reset(self, present: set[str], absent: set[str]) -> None:
        """Whoever served may have been lost, so nobody is taken to serve: `present` see to it, `absent` once they can.

        Raises:
            UnavailableError: one of `present` does not follow.
        """
        if absent:  # one that is only slow is told to let go, whenever it comes to listen
            self._app.control.cancel_consumer(self._queue, destination=sorted(absent))
        workers.command(self._app, "cancel_consumer", present, queue=self._queue)
        self._names = set()

    def cancel(self) -> None:
        """Have those who serve let the queue go.

        Raises:
            UnavailableError: one does not follow.
        """
        names, self._names = self._names, set()
        workers.command(self._app, "cancel_consumer", names, queue=self._queue)

    def cancel_all(self) -> None:
        """Tell every worker that listens to let the queue go, and do not wait."""
        self._app.control.cancel_consumer(self._queue)

    def _await_change(self, everyone: Collection[str]) -> None:
        """Wait until those who are to serve the queue do, and the others have let it go."""
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        while time.monotonic() < deadline:
            signals.check()
            answers = workers.ask(self._app, "active_queues", everyone, COMMAND_TIMEOUT_S)
            serving = {
                name for name, queues in answers.items() if self._queue in {queue["name"] for queue in queues}
            }
            if serving == self._names:
                return
            time.sleep(0.02)
        raise UnavailableError(
            f"the workers did not take up the queue {self._queue} within {COMMAND_TIMEOUT_S:.0f} s"
        )
