"""One run at a time on a broker: two would each measure workers that are busy with the other's tasks."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import redis

from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import REPLY_TIMEOUT_S
from worker.app import PREFIX
from worker.payloads.redis import connect
from worker.redaction import mask_credentials
from worker.settings import Settings

KEY: Final = f"{PREFIX}:lock"
LOCK_S: Final = 300  # seconds after which a lock that is not renewed expires
RENEW_S: Final = 60.0  # seconds between renewals, by a thread: one sample may take longer than the lock lasts

# A run extends its own lock. If the lock expired or went with the broker, it takes it again unless another run has it.
RENEW: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('EXPIRE', KEYS[1], ARGV[2]) "
    "else return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) end"
)
RELEASE: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"
)


class RunLock:
    """A run's exclusive use of the workers on a broker."""

    def __init__(self, settings: Settings, run_id: str, renew_s: float = RENEW_S) -> None:
        self._settings = settings
        self._run_id = run_id
        self._renew_s = renew_s
        self._value = json.dumps(
            {
                "run": run_id,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "since": datetime.now(UTC).strftime("%H:%M:%S UTC"),
            }
        )
        self._released = threading.Event()
        self._renewal = threading.Thread(target=self._keep_renewing, daemon=True)
        self._lost: UnavailableError | None = None

    def acquire(self) -> None:
        """Lock the broker, and renew the lock until it is released.

        Raises:
            UnavailableError: another run has the lock.
        """
        with self._client() as client:
            if not client.set(KEY, self._value, nx=True, ex=LOCK_S):
                raise self._taken_error(client)
        self._renewal.start()

    def check(self) -> None:
        """Raise `UnavailableError` if another run took the lock while this process was stopped for too long."""
        if self._lost is not None:
            raise self._lost

    def release(self) -> None:
        """Release the lock, unless another run has it."""
        self._released.set()
        self._renewal.join(REPLY_TIMEOUT_S)
        with self._client() as client:
            client.eval(RELEASE, 1, KEY, self._value)

    def _keep_renewing(self) -> None:
        while not self._released.wait(self._renew_s):
            # A broker that is away is asked again next time.
            with suppress(redis.RedisError, OSError), self._client() as client:
                if not client.eval(RENEW, 1, KEY, self._value, str(LOCK_S)):
                    self._lost = self._taken_error(client)
                    return

    def _taken_error(self, client: redis.Redis) -> UnavailableError:
        value: Any = client.get(KEY)
        expires_in_s: Any = client.ttl(KEY)
        try:
            holder = json.loads(value)
            who = f"run {holder['run']}, process {holder['pid']} on {holder['host']}, since {holder['since']}"
        except (TypeError, ValueError, KeyError):
            who = "which gives no name"
        return UnavailableError(
            f"another run uses the broker {mask_credentials(self._settings.broker_url)} ({who}), and two runs would "
            "slow each other down; wait for it to end, or use another broker. If that run is dead, its lock expires "
            f"in {max(0, int(expires_in_s))} s"
        )

    def _client(self) -> redis.Redis:
        return connect(self._settings.broker_url, REPLY_TIMEOUT_S, self._settings.tls)


def release_lock_of(settings: Settings, run_id: str) -> None:
    """Release the lock of a run that can no longer do so itself."""
    with connect(settings.broker_url, REPLY_TIMEOUT_S, settings.tls) as client:
        value: Any = client.get(KEY)
        try:
            holder = json.loads(value)["run"]
        except (TypeError, ValueError, KeyError):
            return
        if holder == run_id:
            client.eval(RELEASE, 1, KEY, value)
