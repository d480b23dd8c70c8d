"""The run's queue on the broker: what waits in it, what workers have fetched, and whether there is memory for more.

Celery's Redis transport keeps a fetched message in the hash `unacked` until the worker acknowledges it. A dead
worker's message goes to another worker after the visibility timeout. A run that knows that the worker is dead can
requeue the message at once, in the transport's own transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import redis
from celery import Celery

from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import REPLY_TIMEOUT_S
from worker.envelope import RejectedMessageError, parse_json
from worker.payloads.redis import connect
from worker.redaction import escape_control, mask_credentials
from worker.settings import Settings

SAFE_POLICY: Final = "noeviction"  # the only maxmemory-policy that refuses a command instead of deleting keys
STORED: Final = {"broker": "queued tasks", "payload store": "payloads"}


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """Task ids of the run's messages: those in the queue, and those with a worker (with their delivery tags)."""

    waiting: frozenset[str]
    fetched: Mapping[str, str]

    def __contains__(self, task_id: str) -> bool:
        return task_id in self.waiting or task_id in self.fetched


class RunQueue:
    """What the broker holds of one run. Every call has a deadline, and raises `redis.RedisError` after it."""

    def __init__(self, app: Celery, settings: Settings, name: str) -> None:
        self._app = app
        self._settings = settings
        self._name = name
        self._connected: redis.Redis | None = None
        self._overflows: int | None = None

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        if self._connected is not None:
            self._connected.close()

    def cpu_s(self) -> float | None:
        """Return the CPU seconds that the broker has used since it started; `None` if it does not say."""
        try:
            cpu = self._client.info("cpu")
            return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])
        except (redis.RedisError, OSError, KeyError, TypeError, ValueError):
            return None

    def ping(self) -> None:
        """Check that the broker and the payload store answer."""
        self._client.ping()
        if self._settings.payload_store_url != self._settings.broker_url:
            with connect(self._settings.payload_store_url, REPLY_TIMEOUT_S, self._settings.tls) as client:
                client.ping()

    def check_memory(self) -> None:
        """Raise `UnavailableError` if the broker has no memory left for another message, or deletes some."""
        memory = self._client.info("memory")
        reject_eviction("broker", self._settings.broker_url, memory)
        if _is_full(memory):
            raise self.out_of_memory_error()

    def out_of_memory_error(self) -> UnavailableError:
        """Return the error for the server whose memory is full: the broker or the payload store."""
        server, url = "broker", self._settings.broker_url
        if self._settings.payload_store_url != url and not _is_full(self._client.info("memory")):
            server, url = "payload store", self._settings.payload_store_url
        return UnavailableError(
            f"the {server} {mask_credentials(url)} is out of memory; raise its maxmemory, ask for fewer or smaller "
            "--images, or keep payloads elsewhere with --transport files"
        )

    def output_buffer_overflowed(self) -> bool:
        """Return whether the broker has closed a client since the last call because its output buffer was full."""
        before = self._overflows
        self._overflows = int(self._client.info("stats").get("client_output_buffer_limit_disconnections", 0))
        return before is not None and self._overflows > before

    def length(self) -> int:
        """Return how many messages wait for a worker."""
        return int(self._client.llen(self._name))

    def snapshot(self) -> QueueSnapshot:
        """Return all messages, read in an order that misses none that a worker fetches meanwhile."""
        waiting: list[Any] = self._client.lrange(self._name, 0, -1)
        with self._app.connection_for_write() as connection:
            unacked: dict[Any, Any] = self._client.hgetall(connection.default_channel.unacked_key)
        fetched = {}
        for tag, entry in unacked.items():
            match _parse(entry):
                case [message, _, self._name] if (task_id := _task_id(message)) is not None:
                    fetched[task_id] = tag.decode(errors="replace")
        return QueueSnapshot(frozenset(_task_ids(waiting)), fetched)

    def requeue(self, tags: Iterable[str]) -> None:
        """Put messages that a worker fetched and will not answer back into the queue, marked as redelivered."""
        with self._app.connection_for_write() as connection:
            for tag in tags:
                connection.default_channel.qos.restore_by_tag(tag)

    def discard(self, tags: Iterable[str]) -> None:
        """Delete messages that a worker fetched and will not acknowledge, because it is gone."""
        tags = list(tags)
        if tags:
            with self._app.connection_for_write() as connection:
                channel = connection.default_channel
                self._client.hdel(channel.unacked_key, *tags)
                self._client.zrem(channel.unacked_index_key, *tags)

    def purge(self) -> list[str]:
        """Delete every message that waits in the queue, and return their task ids."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.lrange(self._name, 0, -1)
            pipe.delete(self._name)
            messages, _ = pipe.execute()
        return list(_task_ids(messages))

    @property
    def _client(self) -> redis.Redis:
        if self._connected is None:
            self._connected = connect(self._settings.broker_url, REPLY_TIMEOUT_S, self._settings.tls)
        return self._connected


def reject_eviction(what: str, url: str, memory: Mapping[str, Any]) -> None:
    """Raise `UnavailableError` if a server deletes keys when memory runs short, by what it says of its memory."""
    policy = memory.get("maxmemory_policy")
    if policy not in (SAFE_POLICY, None):
        raise UnavailableError(
            f"the {what} {mask_credentials(url)} has maxmemory-policy {policy}, which deletes {STORED[what]} when "
            f"memory runs short; set it with 'CONFIG SET maxmemory-policy {SAFE_POLICY}'"
        )


def _is_full(memory: Mapping[str, Any]) -> bool:
    try:
        return 0 < int(memory.get("maxmemory", 0)) <= int(memory["used_memory"])
    except (KeyError, TypeError, ValueError):
        raise UnavailableError(
            f"the server does not say how much memory it has left ({escape_control(repr(memory), longest=200)}); "
            "use a Redis or Valkey as the broker"
        ) from None


def _task_ids(messages: Iterable[bytes]) -> Iterable[str]:
    """Yield the tasks of messages; skip what Celery did not write."""
    ids = (_task_id(_parse(message)) for message in messages)
    return (task_id for task_id in ids if task_id is not None)


def _task_id(message: Any) -> str | None:
    try:
        task_id = message["headers"]["id"]
    except (TypeError, KeyError):
        return None
    return task_id if isinstance(task_id, str) else None


def _parse(text: bytes) -> Any:
    try:
        return parse_json(text)
    except RejectedMessageError:
        return None
