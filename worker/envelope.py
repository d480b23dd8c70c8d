"""What may arrive from the broker: size and structure are checked before parsing, every field after it.

Anyone who can write to the broker can write messages, so nothing here trusts them. What is not valid raises
`RejectedMessageError`; the receiver rejects the message, so that it keeps no prefetch slot, and goes on.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from worker.redaction import escape_control

MAX_MESSAGE_BYTES: Final = 128 << 20  # of a task message or a result; larger payloads need another transport
MAX_CONTROL_BYTES: Final = 1 << 20  # of a remote-control message, a reply to one, or an event
MAX_ELEMENTS: Final = (
    2_000_000  # values in one message: 100,000 tasks, the most that a message holds, have 1.6 million
)
MAX_DEPTH: Final = 32  # nested arrays and objects in JSON; ours have 6
UNCHECKED_BYTES: Final = 1 << 20  # msgpack up to this size cannot hold enough values to matter

JSON: Final = "application/json"
MSGPACK: Final = "application/x-msgpack"

NAME: Final = r"\A[A-Za-z0-9@._:-]{0,250}\z"  # exchanges, queues, routing keys, delivery tags, worker names
OUR_NAME: Final = r"\Abreakeven[A-Za-z0-9:_-]{0,200}\z"  # run queues and task ids

Name = Annotated[str, Field(pattern=NAME)]
TaskName = Annotated[str, Field(pattern=r"\Abreakeven\.[a-z_]{1,100}\z")]
OurName = Annotated[str, Field(pattern=OUR_NAME)]
Clock = Annotated[int, Field(ge=0, lt=1 << 53)]
Text = Annotated[str, Field(max_length=4096)]

NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
CLOSING: Final = frozenset(b"]}")

Validated = TypeVar("Validated")


class RejectedMessageError(ValueError):
    """A message that is too large, nested too deep, compressed, or has a field that is not valid."""


class OversizedMessageError(RejectedMessageError):
    """A message that would take too much memory or stack to parse."""


class _Model(BaseModel):
    # Strict, since Celery uses the values as they are. Fields that are not listed are dropped, not forwarded.
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class DeliveryInfo(_Model):
    """Where a message was sent, and so where it is requeued."""

    exchange: Name
    routing_key: Name | None
    redelivered: bool = False


class Properties(_Model):
    """The properties of a message that kombu uses."""

    delivery_tag: Name
    delivery_info: DeliveryInfo
    body_encoding: Literal["base64"]
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    correlation_id: Name | None = None
    reply_to: Name | None = None


class Headers(_Model):
    """The headers that kombu itself reads, in every message."""

    compression: None = None
    clock: Clock | None = None
    ticket: Name | None = None
    expires: float | Text | None = None


class Envelope(_Model):
    """A message as kombu stores it."""

    body: str
    headers: Headers
    properties: Properties
    content_type: Annotated[Literal["application/json", "application/x-msgpack"], Field(alias="content-type")]
    content_encoding: Annotated[Literal["utf-8", "binary"], Field(alias="content-encoding")]


class TaskHeaders(_Model):
    """The headers of a task message that a worker follows.

    Celery would also follow the sender's time limits, ETA, expiry and links to other tasks. A worker's own settings
    decide about time, and no message of ours has a link.
    """

    task: TaskName
    id: OurName
    retries: Annotated[int, Field(ge=0, le=1000)] = 0
    lang: Literal["py"] = "py"
    origin: Text | None = None
    root_id: Name | None = None
    parent_id: Name | None = None
    argsrepr: Text = ""
    kwargsrepr: Text = ""


class Embed(_Model):
    """The links to other tasks in a task message's body, of which there must be none."""

    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


class ReplyTo(_Model):
    """Where a worker replies to a control message."""

    exchange: Literal["reply.celery.pidbox"]
    routing_key: Name


class ControlMessage(_Model):
    """A remote-control message. Patterns are refused: a worker would match its name against any expression."""

    method: Name
    arguments: dict[Name, Any] | None = None
    destination: list[str] | None = None
    pattern: None = None
    matcher: None = None
    reply_to: ReplyTo | None = None
    ticket: Name | None = None


class ConsumerArguments(_Model):
    """Arguments of `add_consumer` and `cancel_consumer`: a queue of ours, and nothing else."""

    model_config = ConfigDict(extra="forbid")

    queue: OurName
    exchange: OurName | None = None
    routing_key: OurName | None = None
    exchange_type: Literal["direct"] | None = None


class ResultMeta(_Model):
    """A result as a worker stores and publishes it."""

    status: Literal["SUCCESS", "FAILURE", "RETRY", "REVOKED"]
    result: Any = None
    task_id: OurName


def validate(kind: type[Validated] | TypeAdapter[Validated], value: Any, what: str) -> Validated:
    """Return `value` as `kind`, or raise an error that names the first field that is not valid.

    Raises:
        RejectedMessageError: a field is missing or not valid.
    """
    adapter: TypeAdapter[Validated] = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        reason = f"{what}: {where + ': ' if where else ''}{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise RejectedMessageError(escape_control(reason, longest=300)) from None


def parse_json(data: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> Any:
    """Parse JSON after checking its size and structure.

    Raises:
        RejectedMessageError: it is too large, nested too deep, or not JSON.
    """
    check_json(data, max_bytes)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RejectedMessageError(f"not JSON: {escape_control(str(error), longest=200)}") from None


def check_body(data: bytes, content_type: str, max_bytes: int) -> None:
    """Raise `OversizedMessageError` unless a message's body is small and flat enough to be parsed."""
    (check_msgpack if content_type == MSGPACK else check_json)(data, max_bytes)


def check_json(data: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
    """Raise `OversizedMessageError` if JSON is too large, has too many values, or is nested too deep."""
    _check_size(data, max_bytes)
    opened = data.count(b"[") + data.count(b"{")
    if opened + data.count(b",") > MAX_ELEMENTS:
        raise OversizedMessageError(f"more than {MAX_ELEMENTS:,} values")
    if opened <= MAX_DEPTH:
        return
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 2 * MAX_ELEMENTS:
        raise OversizedMessageError(f"more than {MAX_ELEMENTS:,} values")
    outside_strings = b"".join(unescaped.split(b'"')[::2])
    depth = 0
    for byte in outside_strings.translate(None, NOT_BRACKETS):
        depth += -1 if byte in CLOSING else 1
        if depth > MAX_DEPTH:
            raise OversizedMessageError(f"nested more than {MAX_DEPTH} deep")


def check_msgpack(data: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> None:
    """Raise `OversizedMessageError` if msgpack is too large or has too many values.

    Only the headers of values are read: a payload of megabytes is one value. msgpack itself refuses deep nesting.
    """
    _check_size(data, max_bytes)
    if len(data) <= UNCHECKED_BYTES:
        return
    at, size, count = 0, len(data), 0
    while at < size:
        count += 1
        if count > MAX_ELEMENTS:
            raise OversizedMessageError(f"more than {MAX_ELEMENTS:,} values")
        byte = data[at]
        fixed, length_bytes = _HEADERS[byte]
        if length_bytes:
            fixed += int.from_bytes(data[at + 1 : at + 1 + length_bytes], "big")
        at += fixed


def _check_size(data: bytes, max_bytes: int) -> None:
    if len(data) > max_bytes:
        raise OversizedMessageError(f"{len(data):,} bytes, more than the {max_bytes:,} allowed")


def _msgpack_headers() -> list[tuple[int, int]]:
    """For each first byte: the bytes that follow up to the next value, and how many of them are a length to add.

    Source: the MessagePack specification, https://github.com/msgpack/msgpack/blob/master/spec.md
    """
    headers = [(1, 0)] * 256  # nil, booleans, small integers; small arrays and maps, whose values follow
    for size in range(32):
        headers[0xA0 + size] = (1 + size, 0)  # fixstr
    for first, length_bytes in ((0xC4, 1), (0xC5, 2), (0xC6, 4), (0xD9, 1), (0xDA, 2), (0xDB, 4)):
        headers[first] = (1 + length_bytes, length_bytes)  # bin, str
    for first, length_bytes in ((0xC7, 1), (0xC8, 2), (0xC9, 4)):
        headers[first] = (2 + length_bytes, length_bytes)  # ext
    for first, size in zip(range(0xCA, 0xD4), (4, 8, 1, 2, 4, 8, 1, 2, 4, 8), strict=True):
        headers[first] = (1 + size, 0)  # floats and integers
    for first, size in zip(range(0xD4, 0xD9), (1, 2, 4, 8, 16), strict=True):
        headers[first] = (2 + size, 0)  # fixext
    for first, size in ((0xDC, 2), (0xDD, 4), (0xDE, 2), (0xDF, 4)):
        headers[first] = (1 + size, 0)  # array, map: their values follow
    return headers


_HEADERS: Final = _msgpack_headers()
