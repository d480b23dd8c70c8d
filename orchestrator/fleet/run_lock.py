"""One run at a time on a broker: two would each measure workers that are busy with the other's tasks."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import redis

from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import REPLY_TIMEOUT_S
from worker.app import PREFIX
from worker.payloads.redis import connect
from worker.redaction import mask_credentials
from worker.settings import Settings

KEY = f"{PREFIX}:lock"

LOCK_S = 300
"""A claim that nobody renews is void after this long."""

RENEW_S = 60.0
"""So often it is renewed, by a thread of its own: a sample may take longer than a claim lasts."""

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"
RENEW = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('EXPIRE', KEYS[1], ARGV[2]) "
    "else return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) end"
)
"""One's own claim is made to last; one that expired or went with the broker is staked again if nobody else has."""


class RunLock:
    """A run's claim to the workers on a broker."""

    def __init__(self, settings: Settings, run_id: str, renew_s: float = RENEW_S) -> None:
        """Nothing is claimed yet."""
        self._settings = settings
        self._run_id = run_id
        self._renew_s = renew_s
        self._text = json.dumps(
            {
                "run": run_id,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "since": datetime.now(UTC).strftime("%H:%M:%S UTC"),
            }
        )
        self._over = threading.Event()
        self._renewal = threading.Thread(target=self._renew, daemon=True)
        self._lost: UnavailableError | None = None

    def acquire(self) -> None:
        """Claim the broker, and keep the claim alive until it is released.

        Raises:
            UnavailableError: another run has.
        """
        with self._client() as client:
            if not client.set(KEY, self._text, nx=True, ex=LOCK_S):
                raise self._taken(client)
        self._renewal.start()

    def check(self) -> None:
        """Raise `UnavailableError` if another run has claimed the broker, since this one was stopped for too long."""
        if self._lost is not None:
            raise self._lost

    def _renew(self) -> None:
        """Make the claim last, whatever this process is at; a broker that is away is asked again next time."""
        while not self._over.wait(self._renew_s):
            with suppress(redis.RedisError, OSError), self._client() as client:
                if not client.eval(RENEW, 1, KEY, self._text, str(LOCK_S)):
                    self._lost = self._taken(client)
                    return

    def release(self) -> None:
        """Give the broker up, if it is still this run's."""
        self._over.set()
        self._renewal.join(REPLY_TIMEOUT_S)
        with self._client() as client:
            client.eval(RELEASE, 1, KEY, self._text)

    def _taken(self, client: redis.Redis) -> UnavailableError:
        text: Any = client.get(KEY)
        left: Any = client.ttl(KEY)
        try:
            held = json.loads(text)
            who = f"run {held['run']}, process {held['pid']} on {held['host']}, since {held['since']}"
        except (TypeError, ValueError, KeyError):
            who = "which does not say who it is"
        return UnavailableError(
            f"another run measures on the broker {mask_credentials(self._settings.broker_url)} ({who}), and two would "
            "slow each other down; wait for its end, or use another broker. If it is dead, its claim ends "
            f"in {max(0, int(left))} s"
        )

    def _client(self) -> redis.Redis:
        return connect(self._settings.broker_url, REPLY_TIMEOUT_S, self._settings.tls)


def release_of(settings: Settings, run_id: str) -> None:
    """Give up the claim of a run that cannot do so itself any more."""
    with connect(settings.broker_url, REPLY_TIMEOUT_S, settings.tls) as client:
        text: Any = client.get(KEY)
        try:
            is_its = json.loads(text)["run"] == run_id
        except (TypeError, ValueError, KeyError):
            return
        if is_its:
            client.eval(RELEASE, 1, KEY, text)
