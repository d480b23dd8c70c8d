"""Connections to the broker and the payload store: how it shows that one broke, and how it is dropped."""

from __future__ import annotations

from typing import Any, Final

import redis
from kombu.exceptions import OperationalError

CONNECTION_ERRORS: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    OperationalError,
    ConnectionError,
    TimeoutError,
)
"""What is raised where a connection breaks or an answer does not come in time."""


REPLY_TIMEOUT_S: Final = 5.0
"""By then a broker that is well has answered a question of ours; nobody's tasks wait for it."""


def close_sockets(channel: Any) -> None:
    """Close the sockets behind a kombu channel, without a word to a broker that may not hear it.

    The channel makes new ones for what it does next. A connection that went silent looks well, and each would be
    waited for in turn.
    """
    channel.pool.disconnect()
    channel.async_pool.disconnect()
