"""Inline: the bytes travel in the Celery message itself, as msgpack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from worker.contract import Payload
from worker.payloads import codec
from worker.payloads.transport import PayloadMissingError, Reference, Transport
from worker.settings import Settings


class Inline(Transport):
    """Nothing is stored: the reference is the payload."""

    summary: ClassVar[str] = "bytes travel in the Celery message itself, as msgpack"
    stores: ClassVar[bool] = False
    serializer: ClassVar[str] = "msgpack"

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Needs no settings."""
        return cls()

    def put(self, key: str, payload: Payload) -> Reference:
        """The payload as its own reference."""
        if isinstance(payload, str):
            return {"url": payload}
        return {"raw": bytes(codec.as_bytes(payload)), **codec.describe(payload)}

    def get(self, reference: Reference) -> Payload:
        """The payload that the reference holds."""
        if "url" in reference:
            return str(reference["url"])
        raw = reference.get("raw")
        if not isinstance(raw, bytes):
            raise PayloadMissingError("a message without the payload that it should carry")
        return codec.from_bytes(raw, reference)

    def delete(self, references: Iterable[Reference]) -> None:
        """Nothing is stored, so nothing is left."""
        return
