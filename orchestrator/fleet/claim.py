"""One run at a time on a broker: two would each measure workers that are busy with the other's tasks."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import UTC, datetime
from typing import Any

import redis

from orchestrator.errors import UnavailableError
from worker.app import PREFIX
from worker.masking import masked
from worker.payloads.redis import connect
from worker.settings import Settings

KEY = f"{PREFIX}:claim"

CLAIM_S = 300
"""A claim that nobody renews is void after this long; longer than any sample should take."""

RENEW_S = 10.0

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"
RENEW = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('EXPIRE', KEYS[1], ARGV[2]) "
    "else return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) end"
)
"""One's own claim is made to last; one that expired or went with the broker is staked again if nobody else has."""


class Claim:
    """A run's claim to the workers on a broker."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        """Nothing is claimed yet."""
        self._settings = settings
        self._run_id = run_id
        self._text = json.dumps(
            {
                "run": run_id,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "since": datetime.now(UTC).strftime("%H:%M:%S UTC"),
            }
        )
        self._renewed_at = 0.0

    def stake(self) -> None:
        """Claim the broker.

        Raises:
            UnavailableError: another run has.
        """
        with self._client() as client:
            if not client.set(KEY, self._text, nx=True, ex=CLAIM_S):
                raise self._taken(client)
        self._renewed_at = time.monotonic()

    def renew(self) -> None:
        """Make the claim last; asks the broker once in a while only.

        Raises:
            UnavailableError: another run has claimed the broker, since this one was stopped for too long.
            redis.RedisError: the broker does not answer.
        """
        if time.monotonic() - self._renewed_at < RENEW_S:
            return
        with self._client() as client:
            if not client.eval(RENEW, 1, KEY, self._text, str(CLAIM_S)):
                raise self._taken(client)
        self._renewed_at = time.monotonic()

    def release(self) -> None:
        """Give the broker up, if it is still this run's."""
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
            f"another run measures on the broker {masked(self._settings.broker_url)} ({who}), and two would "
            "slow each other down; wait for its end, or use another broker. If it is dead, its claim ends "
            f"in {max(0, int(left))} s"
        )

    def _client(self) -> redis.Redis:
        return connect(self._settings.broker_url, 5.0, self._settings.tls)


def release_of(settings: Settings, run_id: str) -> None:
    """Give up the claim of a run that cannot do so itself any more."""
    with connect(settings.broker_url, 5.0, settings.tls) as client:
        text: Any = client.get(KEY)
        try:
            is_its = json.loads(text)["run"] == run_id
        except (TypeError, ValueError, KeyError):
            return
        if is_its:
            client.eval(RELEASE, 1, KEY, text)
