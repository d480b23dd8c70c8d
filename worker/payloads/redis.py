"""Redis: the message carries a key, the bytes are stored under it as a plain value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import redis
from redis.connection import PythonRespSerializer

from worker.contract import Payload, Pixels
from worker.payloads import codec
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.settings import Settings
from worker.tls import tls_options

# Seconds within which a healthy server starts to answer and goes on; a silent connection is not noticed sooner. Longer
# than a server that is busy or stopped for a moment takes, and short enough that both sides of a silent connection are
# back before a run gives up on them (`orchestrator.fleet.recovery.REJOIN_S`).
ANSWER_S: Final = 12.0

EXPIRY_S: Final = 3600  # seconds until a payload that was not fetched is deleted
READ_BYTES: Final = 1 << 20  # per read of the socket; redis-py's 64 KiB takes thirty reads for one picture
PACK_BYTES: Final = 6000  # parts of a command up to this size are joined before sending, as redis-py does it


def connect(url: str, timeout_s: float = ANSWER_S, tls: Mapping[str, Any] | None = None) -> redis.Redis:
    """Return a client for a broker URL as Celery writes it; every command has a deadline.

    Args:
        url: `redis://`, `rediss://` or `redis+socket://`.
        timeout_s: seconds that an answer may take.
        tls: options of a `rediss://` connection (`Settings.tls`); by default, trust the system's authorities alone.
    """
    plain = url.replace("redis+socket://", "unix://", 1).replace("?virtual_host=", "?db=", 1)
    options: dict[str, Any] = {} if plain.startswith("unix://") else {"socket_keepalive": True}
    if plain.startswith("rediss://"):
        options |= tls_options(None, None, None) if tls is None else tls
    return redis.Redis.from_url(
        plain,
        socket_timeout=timeout_s,
        socket_connect_timeout=5.0,
        socket_read_size=READ_BYTES,
        # Sends a payload from its own memory; the packer that redis-py takes with hiredis copies it twice.
        command_packer=PythonRespSerializer(PACK_BYTES, _encoded),
        **options,
    )


def _encoded(part: bytes | memoryview | str | int | float) -> bytes | memoryview:
    return part if isinstance(part, bytes | memoryview) else str(part).encode()


class Redis(Transport):
    """Stores payloads with SET and fetches them with GET; closes its client when it is closed."""

    summary: ClassVar[str] = "the message carries a key, the bytes are in Redis under it"
    in_broker: ClassVar[bool] = True

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._taken: list[str] = []  # keys to delete once their payloads have arrived

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Use the payload store of `BREAKEVEN_PAYLOAD_URL`, or else the broker's Redis."""
        return cls(connect(settings.payload_store_url, tls=settings.tls))

    def _put(self, key: str, payload: bytes | Pixels) -> Reference:
        self._client.set(key, codec.as_bytes(payload), ex=EXPIRY_S)
        return {"key": key, **codec.layout(payload)}

    def put_many(self, items: Sequence[tuple[str, Payload]]) -> list[Reference]:
        """Store payloads in one round trip."""
        if len(items) == 1:
            return [self.put(*items[0])]
        references: list[Reference] = []
        with self._client.pipeline(transaction=False) as pipe:
            for key, payload in items:
                if isinstance(payload, str):
                    references.append({"url": payload})
                else:
                    pipe.set(key, codec.as_bytes(payload), ex=EXPIRY_S)
                    references.append({"key": key, **codec.layout(payload)})
            pipe.execute()
        return references

    def _get(self, reference: Reference) -> Payload:
        raw: Any = self._client.get(reference["key"])
        return _found(raw, reference)

    def get_many(
        self, references: Sequence[Reference], take: bool = False
    ) -> list[Payload | PayloadMissingError]:
        """Fetch payloads in one round trip, which also deletes those taken before.

        GETDEL would lose the payload with its reply.
        """
        keys = [reference["key"] for reference in references if "key" in reference]
        with self._client.pipeline(transaction=False) as pipe:
            if self._taken:
                pipe.unlink(*self._taken)
            for key in keys:
                pipe.get(key)
            raws = iter(pipe.execute()[bool(self._taken) :])
        self._taken = keys if take else []
        found: list[Payload | PayloadMissingError] = []
        for reference in references:
            raw = next(raws) if "key" in reference else None
            try:
                found.append(str(reference["url"]) if "url" in reference else _found(raw, reference))
            except PayloadMissingError as missing:
                found.append(missing)
        return found

    def delete(self, references: Iterable[Reference]) -> None:
        """Delete payloads with UNLINK, which frees the memory in the background."""
        keys = [*self._taken, *(reference["key"] for reference in references if "key" in reference)]
        if keys:
            self._client.unlink(*keys)
        self._taken = []

    def reconnect(self) -> None:
        """Disconnect; the next command connects again."""
        self._client.connection_pool.disconnect()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _found(raw: bytes | None, reference: Reference) -> Payload:
    if raw is None:
        raise PayloadMissingError(
            f"no payload under {reference.get('key')}: it expired, its store was emptied, or worker and "
            "orchestrator use different stores (BREAKEVEN_PAYLOAD_URL)"
        )
    return codec.from_bytes(raw, reference)
