"""The run's queue at the broker: what waits there, what workers have fetched, and whether there is room for more.

Celery's Redis transport keeps a message that a worker has fetched in a hash, `unacked`, until the worker
acknowledges it; that of a dead worker is given to another after the visibility timeout. Whoever knows that
nobody works on it any more can have it given back at once, by the transport's own transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from celery import Celery

from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import REPLY_TIMEOUT_S
from worker.payloads.redis import connect
from worker.redaction import mask_credentials
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """Task ids of messages: in the queue, and with a worker (with the tag that the message goes by)."""

    waiting: frozenset[str]
    fetched: Mapping[str, str]

    def __contains__(self, task_id: str) -> bool:
        """Whether the broker has a message of that id."""
        return task_id in self.waiting or task_id in self.fetched


class RunQueue:
    """What the broker holds of one run. Every question has a deadline, and raises `redis.RedisError` after it."""

    def __init__(self, app: Celery, settings: Settings, name: str) -> None:
        """The queue called `name`; nothing is connected before it is needed."""
        self._app = app
        self._settings = settings
        self._name = name
        self._asking: redis.Redis | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._asking is not None:
            self._asking.close()

    def cpu_s(self) -> float | None:
        """CPU seconds that the broker has used since it started; `None` where it does not tell."""
        try:
            cpu = self._client.info("cpu")
        except (redis.RedisError, OSError):
            return None
        return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])

    def ping(self) -> None:
        """See that the broker and the payload store answer."""
        self._client.ping()
        if self._settings.payload_store_url != self._settings.broker_url:
            with connect(self._settings.payload_store_url, REPLY_TIMEOUT_S, self._settings.tls) as client:
                client.ping()

    def check_memory(self) -> None:
        """Raise `UnavailableError` if the broker has no memory left for another message or answer."""
        if _is_full(self._client):
            raise self.out_of_memory_error()

    def out_of_memory_error(self) -> UnavailableError:
        """The error for a server that takes no more because its memory is full."""
        server, url = "broker", self._settings.broker_url
        if self._settings.payload_store_url != url and not _is_full(self._client):
            server, url = "payload store", self._settings.payload_store_url
        return UnavailableError(
            f"the {server} {mask_credentials(url)} is out of memory; raise its maxmemory, ask for fewer or smaller "
            "--images, or keep payloads elsewhere with --transport files"
        )

    def length(self) -> int:
        """How many messages wait for a worker."""
        return int(self._client.llen(self._name))

    def snapshot(self) -> QueueSnapshot:
        """All messages, in an order that overlooks none which moves on meanwhile."""
        messages: list[Any] = self._client.lrange(self._name, 0, -1)
        with self._app.connection_for_write() as connection:
            fetched: dict[Any, Any] = self._client.hgetall(connection.default_channel.unacked_key)
        found = {}
        for tag, entry in fetched.items():
            message, _, routing_key = _plain(entry) or (None, None, None)
            if routing_key == self._name and (task_id := _task_id(message)) is not None:
                found[task_id] = tag.decode()
        return QueueSnapshot(frozenset(_task_ids(messages)), found)

    def requeue(self, tags: Iterable[str]) -> None:
        """Have messages that a worker took and will not answer wait again, marked as redelivered."""
        with self._app.connection_for_write() as connection:
            for tag in tags:
                connection.default_channel.qos.restore_by_tag(tag)

    def discard(self, tags: Iterable[str]) -> None:
        """Delete messages that workers took and will not acknowledge: they are gone."""
        tags = list(tags)
        if tags:
            with self._app.connection_for_write() as connection:
                channel = connection.default_channel
                self._client.hdel(channel.unacked_key, *tags)
                self._client.zrem(channel.unacked_index_key, *tags)

    def purge(self) -> list[str]:
        """Take every message that no worker has fetched out of the queue; gives their task ids."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.lrange(self._name, 0, -1)
            pipe.delete(self._name)
            messages, _ = pipe.execute()
        return list(_task_ids(messages))

    @property
    def _client(self) -> redis.Redis:
        if self._asking is None:
            self._asking = connect(self._settings.broker_url, REPLY_TIMEOUT_S, self._settings.tls)
        return self._asking


def _is_full(client: redis.Redis) -> bool:
    memory = client.info("memory")
    return 0 < int(memory.get("maxmemory", 0)) <= int(memory["used_memory"])


def _task_ids(messages: Iterable[bytes]) -> Iterable[str]:
    """The tasks that messages are about; what is none of Celery's is passed over."""
    ids = (_task_id(_plain(message)) for message in messages)
    return (task_id for task_id in ids if task_id is not None)


def _task_id(message: Any) -> str | None:
    try:
        return str(message["headers"]["id"])
    except (TypeError, KeyError):
        return None


def _plain(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
