"""Proof before a worker starts that broker and payload store will have it: waiting cures no wrong password."""

from __future__ import annotations

import redis

from worker.access_errors import refusal
from worker.masking import mask_credentials
from worker.payloads.redis import connect
from worker.settings import Settings


def refused(config: Settings) -> str | None:
    """Which server turns this worker away, why and what to do; `None` where none does.

    A server that is not there is no refusal: Celery goes on trying to reach it.
    """
    servers = {config.payload_store_url: "payload store", config.broker_url: "broker"}
    for url, what in servers.items():
        try:
            with connect(url, timeout_s=5.0, tls=config.tls) as client:
                client.ping()
        except (redis.RedisError, OSError) as error:
            reason = refusal(error, config)
            if reason is not None:
                return f"the {what} {mask_credentials(url)} turned us away: {reason}"
    return None
