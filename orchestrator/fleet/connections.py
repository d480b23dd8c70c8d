"""Connections to the broker and the payload store: how they are made, how a broken one shows, and how to close it."""

from __future__ import annotations

from typing import Any, Final

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from worker.app import make_app
from worker.settings import Settings

# Raised when a connection breaks or an answer does not come in time.
CONNECTION_ERRORS: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    OperationalError,
    ConnectionError,
    TimeoutError,
)

REPLY_TIMEOUT_S: Final = 5.0  # seconds a healthy server may take to answer a question outside a batch


def connect_app(settings: Settings) -> Celery:
    """Return the orchestrator's Celery application, which reports a broken connection at once.

    By itself kombu retries for six seconds for each channel, so no longer wait could keep its deadline. A run waits
    in one place, and checks meanwhile whether what it needs still runs.
    """
    app = make_app(settings)
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, "max_retries": 0}
    return app


def close_sockets(channel: Any) -> None:
    """Close a kombu channel's sockets without telling the broker.

    A connection that went silent looks healthy, and a polite close would wait for each one in turn. The channel opens
    new sockets when it next needs them.
    """
    channel.pool.disconnect()
    channel.async_pool.disconnect()
