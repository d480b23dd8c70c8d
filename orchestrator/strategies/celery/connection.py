"""What a Celery message goes through, there and back: held open for a strategy's life, and mended when it breaks."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

import redis

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import CONNECTION_ERRORS
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.recovery import RECOVERY_S
from orchestrator.strategies.celery.cleanup import Cleanup
from orchestrator.strategies.celery.payload_io import PayloadIO
from orchestrator.strategies.celery.publishing import Publisher
from orchestrator.strategies.celery.results import Results
from worker.payloads.transport import Transport


@dataclass(slots=True)
class Connection:
    """A strategy's lines to its fleet, and what it keeps account of.

    `breaks` is how often the fleet's connections had broken when these were made.
    """

    fleet: Fleet
    transport_name: str
    transport: Transport
    placement: PayloadIO
    publisher: Publisher
    results: Results
    leavings: Cleanup
    reconnects: int

    @property
    def is_stale(self) -> bool:
        """Whether connections broke since, met by another strategy: ours are as dead as its own were."""
        return self.reconnects != self.fleet.reconnects

    def reconnect(self, error: Exception) -> None:
        """After `error`, wait until broker and payload store answer, and connect anew.

        Raises:
            UnavailableError: they did not come back in time.
        """
        deadline = time.monotonic() + RECOVERY_S
        while time.monotonic() < deadline:
            signals.check()
            try:
                self.fleet.check()
                self.fleet.disconnect()
                self.fleet.run_queue.ping()
                self.renew()
            except CONNECTION_ERRORS as again:
                error = again
                time.sleep(0.1)
            else:
                return
        raise UnavailableError(
            f"the broker or the payload store went away and did not come back within {RECOVERY_S:.0f} s ({error}); "
            "see if it still runs, and run again"
        )

    def renew(self) -> None:
        """Put new connections in place of the strategy's own.

        Raises:
            redis.RedisError, OperationalError: the broker or the payload store does not answer.
        """
        self.publisher.drop()
        self.transport.reconnect()
        self.publisher.open()
        self.results.subscribe()
        self.reconnects = self.fleet.reconnects

    def close(self) -> None:
        """Delete what is still stored, as far as that can be reached, and close the connections."""
        with suppress(redis.RedisError, OSError):
            self.placement.drop_inputs()
            self.placement.drop_outputs()
            self.leavings.clear()
        self.publisher.close()
        self.results.close()
        self.transport.close()
