"""Redis: the message carries a key, the bytes lie beside it as a plain value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import redis
from redis.connection import PythonRespSerializer

from worker.contract import Payload
from worker.payloads import codec
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.settings import Settings
from worker.tls import tls_options

ANSWER_S = 12.0
"""A server that is well has begun to answer, and goes on, within this long; on a line that is silent nobody notices
sooner. Longer than a server that is only busy or stopped for a moment takes, and so short that both sides of a silent
line are back before a run gives up waiting for them (`orchestrator.fleet.recovery.RECOVERY_S`)."""

EXPIRY_S = 3600
"""A payload that nobody fetched is gone after this long, whatever happened to the run."""

READ_BYTES = 1 << 20
"""What one read of the socket takes at most; redis-py's 64 KiB costs thirty reads for one picture."""

PACK_BYTES = 6000
"""Parts of a command up to this size are put together before they are sent; redis-py's own figure."""


def connect(url: str, timeout_s: float = ANSWER_S, tls: Mapping[str, Any] | None = None) -> redis.Redis:
    """A client for a broker URL as Celery writes it; every command has a deadline.

    Args:
        url: `redis://`, `rediss://` or `redis+socket://`.
        timeout_s: seconds that an answer may take.
        tls: what a `rediss://` connection is made with (`Settings.tls`); without it only the system's
            authorities are trusted.
    """
    plain = url.replace("redis+socket://", "unix://", 1)
    options: dict[str, Any] = {} if plain.startswith("unix://") else {"socket_keepalive": True}
    if plain.startswith("rediss://"):
        options |= tls_options(None, None, None) if tls is None else tls
    return redis.Redis.from_url(
        plain,
        socket_timeout=timeout_s,
        socket_connect_timeout=5.0,
        socket_read_size=READ_BYTES,
        # Sends a payload from where it lies; the packer that redis-py takes with hiredis copies it twice.
        command_packer=PythonRespSerializer(PACK_BYTES, _encoded),
        **options,
    )


def _encoded(part: bytes | memoryview | str | int | float) -> bytes | memoryview:
    """One part of a command as it crosses."""
    return part if isinstance(part, bytes | memoryview) else str(part).encode()


class Redis(Transport):
    """SET on one side, GET on the other."""

    summary: ClassVar[str] = "the message carries a key, the bytes lie beside it in Redis"
    in_broker: ClassVar[bool] = True

    def __init__(self, client: redis.Redis) -> None:
        """Use `client`; it is closed with the transport."""
        self._client = client
        self._taken: list[str] = []
        """Keys that were taken, and are there until the connection is known to have brought their payloads."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The payload store of `BREAKEVEN_PAYLOAD_URL`, or the broker's own Redis."""
        return cls(connect(settings.payload_store_url, tls=settings.tls))

    def put(self, key: str, payload: Payload) -> Reference:
        """SET, with an expiry."""
        if isinstance(payload, str):
            return {"url": payload}
        self._client.set(key, codec.as_bytes(payload), ex=EXPIRY_S)
        return {"key": key, **codec.describe(payload)}

    def put_many(self, items: Sequence[tuple[str, Payload]]) -> list[Reference]:
        """All SETs in one round trip."""
        if len(items) == 1:
            return [self.put(*items[0])]
        references: list[Reference] = []
        with self._client.pipeline(transaction=False) as pipe:
            for key, payload in items:
                if isinstance(payload, str):
                    references.append({"url": payload})
                else:
                    pipe.set(key, codec.as_bytes(payload), ex=EXPIRY_S)
                    references.append({"key": key, **codec.describe(payload)})
            pipe.execute()
        return references

    def get(self, reference: Reference) -> Payload:
        """GET."""
        if "url" in reference:
            return str(reference["url"])
        raw: Any = self._client.get(reference["key"])
        return _found(raw, reference)

    def get_many(
        self, references: Sequence[Reference], take: bool = False
    ) -> list[Payload | PayloadMissingError]:
        """All GETs in one round trip, and with them the end of what was taken before.

        Not GETDEL: where its reply is lost, so is the payload.
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
            if "url" in reference:
                found.append(str(reference["url"]))
                continue
            if "key" not in reference:
                found.append(PayloadMissingError("a reference without the key of a payload"))
                continue
            try:
                found.append(_found(next(raws), reference))
            except PayloadMissingError as missing:
                found.append(missing)
        return found

    def delete(self, references: Iterable[Reference]) -> None:
        """UNLINK: the server frees the memory beside its work."""
        keys = [*self._taken, *(reference["key"] for reference in references if "key" in reference)]
        if keys:
            self._client.unlink(*keys)
        self._taken = []

    def reconnect(self) -> None:
        """Disconnect; a client connects anew for its next command."""
        self._client.connection_pool.disconnect()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _found(raw: bytes | None, reference: Reference) -> Payload:
    if raw is None:
        raise PayloadMissingError(
            f"no payload under {reference['key']}: it expired, its store was emptied, or worker and "
            "orchestrator use different stores (BREAKEVEN_PAYLOAD_URL)"
        )
    return codec.from_bytes(raw, reference)
