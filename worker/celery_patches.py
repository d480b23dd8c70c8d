"""What Celery and kombu leave undone, each with its reason: neither has a setting for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.backends.redis import RedisBackend
from kombu.transport import redis, virtual

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


class Channel(redis.Channel):  # type: ignore[misc]
    """Drops messages that cannot be parsed.

    kombu raises the error out of its event loop, which ends the worker: a few bytes in a queue would stop every worker
    that consumes it. Messages that parse are Celery's to judge: it refuses pickles and unknown tasks.
    """

    QoS = QoS

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
