"""What is left of a run on servers that others use too, deleted: whatever carries the run's name."""

from __future__ import annotations

from worker.payloads.redis import connect
from worker.settings import Settings

KEYS_AT_ONCE = 1000


def delete_keys(settings: Settings, run_id: str) -> None:
    """Delete every key that carries the run's name, on the broker and in the payload store.

    Raises:
        redis.RedisError: one of them does not answer.
    """
    for url in dict.fromkeys((settings.broker_url, settings.payload_store_url)):
        with connect(url, tls=settings.tls) as client:
            keys = list(client.scan_iter(match=f"*{run_id}*", count=KEYS_AT_ONCE))
            for start in range(0, len(keys), KEYS_AT_ONCE):
                client.unlink(*keys[start : start + KEYS_AT_ONCE])
