"""What every transport does: put a payload somewhere, and get it back by the reference it gave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, TypeAlias

from worker.contract import Payload
from worker.settings import Settings

Reference: TypeAlias = dict[str, Any]
"""What the message carries instead of, or around, a payload; plain JSON or msgpack values."""


class PayloadMissingError(LookupError):
    """A reference to a payload that is no longer, or never was, where it should be."""


class Transport(ABC):
    """Puts payloads where both sides can reach them.

    URLs are what a task is about, not its payload: every transport leaves them in the message.
    """

    summary: ClassVar[str]
    """What it does, in a line."""

    stores: ClassVar[bool] = True
    """Whether payloads lie beside the message, so that they can also stay there (`resident`)."""

    serializer: ClassVar[str] = "json"
    """How the Celery message that carries the references is written."""

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The transport as this process's environment describes it."""

    @abstractmethod
    def put(self, key: str, payload: Payload) -> Reference:
        """Store one payload under `key`, unique to the run, and say how to find it."""

    @abstractmethod
    def get(self, reference: Reference) -> Payload:
        """The payload again.

        Raises:
            PayloadMissingError: there is none (any more).
        """

    def put_many(self, items: Sequence[tuple[str, Payload]]) -> list[Reference]:
        """Store several payloads; a transport that can do it in one round trip does."""
        return [self.put(key, payload) for key, payload in items]

    def get_many(
        self, references: Sequence[Reference], take: bool = False
    ) -> list[Payload | PayloadMissingError]:
        """Several payloads, each or the reason why it is missing; `take` removes what was read."""
        found: list[Payload | PayloadMissingError] = []
        for reference in references:
            try:
                found.append(self.get(reference))
            except PayloadMissingError as missing:
                found.append(missing)
        if take:
            self.delete(references)
        return found

    @abstractmethod
    def delete(self, references: Iterable[Reference]) -> None:
        """Forget payloads; one that is already gone is no error."""

    def close(self) -> None:
        """Give back what the transport holds open."""
        return
