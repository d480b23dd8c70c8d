"""What every transport does: store a payload, and fetch it by its reference."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final, Self, TypeAlias

from worker.contract import Payload, Pixels
from worker.settings import Settings
from worker.values import DTYPE, MAX_DIMENSIONS

Reference: TypeAlias = dict[str, Any]  # plain JSON or msgpack values; `codec` describes them

KEY: Final = re.compile(r"breakeven-[A-Za-z0-9:_-]{1,190}")  # our own names only, and no paths
VALUE: Final = "value"  # in place of a dtype: msgpack of a Python value
MAX_BYTES: Final = 1 << 40
MAX_URL_CHARACTERS: Final = 32 << 10


def checked_reference(value: Any) -> Reference:
    """Return `value` if it is a URL, a key, or the payload itself, and nothing else; else raise `ValueError`."""
    if not isinstance(value, dict):
        raise ValueError(f"a reference that is {type(value).__name__}")
    if value.keys() == {"url"}:
        if not isinstance(value["url"], str) or len(value["url"]) > MAX_URL_CHARACTERS:
            raise ValueError("a URL that is not text, or too long")
        return value
    if value.keys() - {"dtype"} not in ({"key", "size", "shape"}, {"raw", "size", "shape"}):
        raise ValueError(f"a reference of {', '.join(map(str, value))!r:.80}")
    if "key" in value and not (isinstance(value["key"], str) and KEY.fullmatch(value["key"])):
        raise ValueError(f"{value['key']!r:.80} is not the name of a payload")
    if "raw" in value and not isinstance(value["raw"], bytes):
        raise ValueError(f"a payload that is {type(value['raw']).__name__}")
    check_layout(value)
    return value


def check_layout(reference: Reference) -> None:
    """Raise `ValueError` unless a reference has a valid size, shape and dtype."""
    size, shape, dtype = (reference.get(name) for name in ("size", "shape", "dtype"))
    if not _is_count(size, MAX_BYTES):
        raise ValueError(f"a payload of {size!r:.80} bytes")
    listed = isinstance(shape, list | tuple) and len(shape) <= MAX_DIMENSIONS
    if shape is not None and not (listed and all(_is_count(side, MAX_BYTES) for side in shape)):
        raise ValueError(f"a payload of shape {shape!r:.80}")
    if dtype == VALUE and shape is None:
        return
    if dtype is not None and not (isinstance(dtype, str) and DTYPE.fullmatch(dtype)):
        raise ValueError(f"a payload of {dtype!r:.80}")


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


class PayloadMissingError(LookupError):
    """The payload of a reference does not exist, or no longer."""


class Transport(ABC):
    """Puts payloads where both sides can reach them; a URL stays in the message."""

    summary: ClassVar[str]  # what it does, in a line
    stores: ClassVar[bool] = True  # outside the message, so that payloads can also stay there (`resident`)
    in_broker: ClassVar[bool] = False  # kept by the broker, so that each access is a round trip to it
    serializer: ClassVar[str] = "json"  # of the Celery message that carries the references

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the transport that this process's settings describe."""

    def put(self, key: str, payload: Payload) -> Reference:
        """Store a payload under `key`, unique to the run; return its reference."""
        return {"url": payload} if isinstance(payload, str) else self._put(key, payload)

    @abstractmethod
    def _put(self, key: str, payload: bytes | Pixels) -> Reference: ...

    def get(self, reference: Reference) -> Payload:
        """Fetch a payload, or raise `PayloadMissingError`."""
        return str(reference["url"]) if "url" in reference else self._get(reference)

    @abstractmethod
    def _get(self, reference: Reference) -> Payload: ...

    def put_many(self, items: Sequence[tuple[str, Payload]]) -> list[Reference]:
        """Store payloads, in one round trip if the transport can."""
        return [self.put(key, payload) for key, payload in items]

    def get_many(
        self, references: Sequence[Reference], take: bool = False
    ) -> list[Payload | PayloadMissingError]:
        """Fetch payloads, each of which may be missing; `take` deletes them, at the latest with the next call."""
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
        """Delete payloads; one that does not exist is ignored."""

    def reconnect(self) -> None:
        """Drop the connections; the next call makes new ones."""
        return

    def close(self) -> None:
        """Close what the transport has open."""
        return
