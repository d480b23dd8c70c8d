"""A worker's line to its queues: it outlives messages that are none of Celery's, and connections that go silent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kombu.transport import redis, virtual

log = logging.getLogger(__name__)


class QoS(redis.QoS):  # type: ignore[misc]  # kombu publishes no types
    """As kombu's own, but what is said of a message is said again where the connection broke.

    A message that was fetched and could not be noted is lost. One that could not be acknowledged counts for ever
    against the prefetch limit: with a limit of one the worker takes no other, and looks well. Either is said twice
    without harm, for both sides name the message by its tag.
    """

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note at the broker that this worker has the message."""
        self._insist(super().append, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Have the broker forget the message; another may be fetched whether it heard so or not."""
        self._settle(super().ack, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Have the broker forget the message, or queue it again; another may be fetched whether it heard so or not."""
        self._settle(super().reject, delivery_tag, requeue)

    def _settle(self, say: Callable[..., None], delivery_tag: str, *arguments: bool) -> None:
        try:
            self._insist(say, delivery_tag, *arguments)
        except self.channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def _insist(self, say: Callable[..., None], *arguments: Any) -> None:
        try:
            say(*arguments)
        except self.channel.connection_errors as error:
            log.warning("a connection to the broker broke (%s); trying once more on a new one", error)
            self.channel.pool.disconnect()
            say(*arguments)


class Channel(redis.Channel):  # type: ignore[misc]  # kombu publishes no types
    """As kombu's own, but for messages that cannot be read.

    kombu lets their errors out of its event loop, which ends the worker: a few bytes in a queue would stop all
    workers that serve it, one after the other. Here such a message is dropped, and the log says so. One that can
    be read is Celery's to judge, as ever: it refuses pickles and tasks that it does not know.
    """

    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("dropped a message that is none of Celery's: %s: %s", type(error).__name__, error)
            return True


def install() -> None:
    """Use it for every connection of this process; kombu has no setting for that."""
    redis.Transport.Channel = Channel
