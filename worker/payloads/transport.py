"""What every transport does: put a payload somewhere, and get it back by the reference it gave."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, TypeAlias

from worker.contract import Payload
from worker.settings import Settings

Reference: TypeAlias = dict[str, Any]
"""What the message carries instead of, or around, a payload; plain JSON or msgpack values."""


KEY = re.compile(r"breakeven-[A-Za-z0-9:_-]{1,190}")
"""What a payload may be called in a message: names of ours alone, and none that is a path."""

NUMBERS = re.compile(r"[<>|=]?[biufc]\d{1,2}")
"""NumPy's plain numbers, as a reference names them; never objects."""

MOST_BYTES = 1 << 40
MOST_SIDES = 32
LONGEST_URL = 32 << 10


def checked_reference(value: Any) -> Reference:
    """The reference, if it can be one of ours: a URL, a key, or the payload itself, and nothing beside it.

    Raises:
        ValueError: it cannot; says what is wrong.
    """
    if not isinstance(value, dict):
        raise ValueError(f"a reference that is {type(value).__name__}")
    if value.keys() == {"url"}:
        if not isinstance(value["url"], str) or len(value["url"]) > LONGEST_URL:
            raise ValueError("a URL that is no text, or too long")
        return value
    if value.keys() - {"dtype"} not in ({"key", "size", "shape"}, {"raw", "size", "shape"}):
        raise ValueError(f"a reference of {', '.join(map(str, value))!r:.80}")
    if "key" in value and not (isinstance(value["key"], str) and KEY.fullmatch(value["key"])):
        raise ValueError(f"{value['key']!r:.80} is no name of a payload")
    if "raw" in value and not isinstance(value["raw"], bytes):
        raise ValueError(f"a payload that is {type(value['raw']).__name__}")
    check_layout(value)
    return value


def check_layout(reference: Reference) -> None:
    """Raise `ValueError` unless a reference says of how many bytes, and of what array, its payload is."""
    size, shape, numbers = (reference.get(name) for name in ("size", "shape", "dtype"))
    if not _is_count(size, MOST_BYTES):
        raise ValueError(f"a payload of {size!r:.80} bytes")
    sides = isinstance(shape, list | tuple) and len(shape) <= MOST_SIDES
    if shape is not None and not (sides and all(_is_count(side, MOST_BYTES) for side in shape)):
        raise ValueError(f"a payload of shape {shape!r:.80}")
    if numbers is not None and not (isinstance(numbers, str) and NUMBERS.fullmatch(numbers)):
        raise ValueError(f"a payload of {numbers!r:.80}")


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


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

    in_broker: ClassVar[bool] = False
    """Whether the broker keeps the payloads, so that each access is a round trip to it."""

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
        """Several payloads, each or the reason why it is missing.

        With `take` what was read is not needed again: it is gone with the next payloads that are taken, or with the
        next `delete`.
        """
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

    def reconnect(self) -> None:
        """Drop the connections that there are; what is done next makes new ones."""
        return

    def close(self) -> None:
        """Give back what the transport holds open."""
        return
