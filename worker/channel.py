"""A worker's line to its queues, which outlives a message that is none of Celery's."""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis

log = logging.getLogger(__name__)


class Channel(redis.Channel):  # type: ignore[misc]  # kombu publishes no types
    """As kombu's own, but for messages that cannot be read.

    kombu lets their errors out of its event loop, which ends the worker: a few bytes in a queue would stop all
    workers that serve it, one after the other. Here such a message is dropped, and the log says so. One that can
    be read is Celery's to judge, as ever: it refuses pickles and tasks that it does not know.
    """

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("dropped a message that is none of Celery's: %s: %s", type(error).__name__, error)
            return True


def install() -> None:
    """Use it for every connection of this process; kombu has no setting for that."""
    redis.Transport.Channel = Channel
