"""Inline: the bytes travel in the Celery message itself, as msgpack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from worker.contract import Payload, Pixels
from worker.payloads import codec
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.settings import Settings


class Inline(Transport):
    """Stores nothing: the reference contains the payload."""

    summary: ClassVar[str] = "bytes travel in the Celery message itself, as msgpack"
    stores: ClassVar[bool] = False
    serializer: ClassVar[str] = "msgpack"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the transport, which needs no settings."""
        return cls()

    def _put(self, key: str, payload: bytes | Pixels) -> Reference:
        return {"raw": bytes(codec.as_bytes(payload)), **codec.layout(payload)}

    def _get(self, reference: Reference) -> Payload:
        raw = reference.get("raw")
        if not isinstance(raw, bytes):
            raise PayloadMissingError("the message lacks its payload")
        return codec.from_bytes(raw, reference)

    def delete(self, references: Iterable[Reference]) -> None:
        """Do nothing: nothing is stored."""
