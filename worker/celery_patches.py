"""What Celery and kombu leave undone, each with its reason: neither has a setting for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.backends.redis import RedisBackend
from kombu.transport import redis, virtual
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

log = logging.getLogger(__name__)


class QoS(redis.QoS):  # type: ignore[misc]  # kombu publishes no types
    """Repeats what it tells the broker about a message when the connection breaks.

    kombu loses a message that it fetched but could not register. One that it could not acknowledge counts against the
    prefetch limit for good: with a limit of one the worker takes no further task, and looks healthy. Repeating either
    is safe, since both sides identify the message by its tag.
    """

    def append(self, message: Any, delivery_tag: str) -> None:
        """Register at the broker that this worker has the message."""
        self._retry_once(super().append, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge the message; free its prefetch slot even if that fails."""
        self._settle(super().ack, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Reject or requeue the message; free its prefetch slot even if that fails."""
        self._settle(super().reject, delivery_tag, requeue)

    def _settle(self, call: Callable[..., None], delivery_tag: str, *arguments: bool) -> None:
        try:
            self._retry_once(call, delivery_tag, *arguments)
        except self.channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def _retry_once(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except self.channel.connection_errors as error:
            log.warning("a connection to the broker broke (%s); trying once more on a new one", error)
            self.channel.pool.disconnect()
            call(*arguments)


class ScriptlessLock(Lock):
    """The lock of redis-py, released in a transaction instead of a Lua script.

    kombu locks the queue of unacknowledged messages while it restores them. With scripts every role of the broker would
    need the right to run any script, and one that loops for ever cannot be ended by the others.
    """

    def register_scripts(self) -> None:
        """Register none."""

    def do_release(self, expected_token: Any) -> None:
        """Delete the lock if it still has our token.

        Raises:
            LockNotOwnedError: it expired, and is free or another's.
        """

        def delete(pipe: Pipeline) -> None:
            held: Any = pipe.get(self.name)
            pipe.multi()
            if held == expected_token:
                pipe.delete(self.name)

        if not self.redis.transaction(delete, self.name):
            raise LockNotOwnedError("the lock is no longer ours", lock_name=str(self.name))


class Client(Redis):
    """The client of kombu's channels, with `ScriptlessLock`."""

    def lock(self, *arguments: Any, **options: Any) -> Any:
        """Return a lock that runs no script."""
        return super().lock(*arguments, **{**options, "lock_class": ScriptlessLock})


class Channel(redis.Channel):  # type: ignore[misc]
    """Drops messages that cannot be parsed.

    kombu raises the error out of its event loop, which ends the worker: a few bytes in a queue would stop every worker
    that consumes it. Messages that parse are Celery's to judge: it refuses pickles and unknown tasks.
    """

    QoS = QoS

    def _get_client(self) -> type[Client]:
        super()._get_client()  # refuses a version of redis-py that kombu does not support
        return Client

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        # Without an expiry, which kombu keeps by Lua scripts; a stale binding is one short member of a set.
        expires: dict[str, int] = self._expires  # type: ignore[has-type]
        self._expires = {}
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        finally:
            self._expires = expires

    def maybe_refresh_binding_expiry(self) -> None:
        """Refresh nothing: `_queue_bind` sets no expiry."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("dropped a message that is not Celery's: %s: %s", type(error).__name__, error)
            return True


class RepeatReportingBackend(RedisBackend):  # type: ignore[misc]
    """Publishes the result of a task that was already done, so that the orchestrator can count it.

    Celery keeps the first success and silently drops later results of the same task, so a task that was done twice
    looks like one that was done once. The later result is still not stored. First results take Celery's own commands.
    """

    _stored = False

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **more: Any
    ) -> Any:
        self._stored = False
        returned = super()._store_result(task_id, result, state, traceback=traceback, request=request, **more)
        if not self._stored:
            meta = self._get_result_meta(result=result, state=state, traceback=traceback, request=request)
            meta["task_id"] = task_id
            self.client.publish(self.get_key_for_task(task_id), self.encode(meta))
        return returned

    def _set_with_state(self, key: Any, value: Any, state: str) -> Any:
        self._stored = True
        return super()._set_with_state(key, value, state)


def install() -> None:
    """Use `Channel` for every connection of this process."""
    redis.Transport.Channel = Channel
