"""Connections to the broker and the payload store: how a broken one shows, and how to close it."""

from __future__ import annotations

from typing import Any, Final

import redis
from kombu.exceptions import OperationalError

# Raised when a connection breaks or an answer does not come in time.
CONNECTION_ERRORS: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    OperationalError,
    ConnectionError,
    TimeoutError,
)

REPLY_TIMEOUT_S: Final = 5.0  # seconds a healthy server may take to answer a question outside a batch


def close_sockets(channel: Any) -> None:
    """Close a kombu channel's sockets without telling the broker.

    A connection that went silent looks healthy, and a polite close would wait for each one in turn. The channel opens
    new sockets when it next needs them.
    """
    channel.pool.disconnect()
    channel.async_pool.disconnect()
