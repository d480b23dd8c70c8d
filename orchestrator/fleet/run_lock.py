"""One run at a time on a broker: two would each measure workers that are busy with the other's tasks."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Literal

import redis
from redis.client import Pipeline

from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import REPLY_TIMEOUT_S
from worker.app import PREFIX
from worker.payloads.redis import connect
from worker.redaction import mask_credentials
from worker.settings import Settings

KEY: Final = f"{PREFIX}:lock"
LOCK_S: Final = 15  # seconds after which the lock of a dead run expires
RENEW_S: Final = 4.0  # seconds between renewals, by a thread: one sample may take longer than the lock lasts


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
            _if_ours(client, self._value, "delete")

    def _keep_renewing(self) -> None:
        while not self._released.wait(self._renew_s):
            # A broker that is away is asked again next time.
            with suppress(redis.RedisError, OSError), self._client() as client:
                # If the lock expired or went with the broker, take it again unless another run has it.
                renewed = _if_ours(client, self._value, "expire")
                if not renewed and not client.set(KEY, self._value, nx=True, ex=LOCK_S):
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
            _if_ours(client, value, "delete")


def _if_ours(client: redis.Redis, value: Any, action: Literal["delete", "expire"]) -> bool:
    """Delete or extend the lock in one transaction if it still holds `value`; return whether it did.

    A Lua script would be shorter, but then every role of the broker would need the right to run any script.
    """

    def act(pipe: Pipeline) -> None:
        held: Any = pipe.get(KEY)
        pipe.multi()
        if held == (value.encode() if isinstance(value, str) else value):
            _ = pipe.delete(KEY) if action == "delete" else pipe.expire(KEY, LOCK_S)

    return bool(client.transaction(act, KEY))
