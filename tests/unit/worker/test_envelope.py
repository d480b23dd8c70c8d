"""What may arrive from the broker: how large, how many values, how deep, and which fields."""

from __future__ import annotations

import json
import random
from typing import Any

import msgpack
import pytest

from worker import envelope
from worker.envelope import (
    OversizedMessageError,
    RejectedMessageError,
    ResultMeta,
    TaskHeaders,
    check_json,
    check_msgpack,
    parse_json,
    validate,
)

SCALARS: list[Any] = [
    None, True, 1, -1, 300, 70_000, 1 << 40, -200, -70_000, -(1 << 40), 1.5, "x", "y" * 40, "z" * 300, "w" * 70_000,
    b"x", b"x" * 300, b"x" * 70_000, *(msgpack.ExtType(3, bytes(size)) for size in (1, 2, 4, 8, 16, 17, 300, 70_000)),
]  # fmt: skip
TEXTS = ["[[[", '"[', "\\", '\\\\"[{', "]]}}", "é\n["]


def document(rng: random.Random, scalars: list[Any], depth: int = 0) -> Any:
    kind = rng.random()
    if depth < 6 and kind < 0.4:
        return [
            document(rng, scalars, depth + 1) for _ in range(rng.choice([0, 1, 4, 17]) if depth < 2 else 1)
        ]
    if depth < 6 and kind < 0.7:
        keys = rng.sample(["a", '"', '\\"[', "{\\"], rng.choice([0, 1, 3]))
        return {key: document(rng, scalars, depth + 1) for key in keys}
    return rng.choice(scalars)


def count_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(count_of(key) + count_of(each) for key, each in value.items())
    return 1 + sum(map(count_of, value)) if isinstance(value, list) else 1


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


@pytest.mark.parametrize("seed", range(50))
def test_values_of_msgpack_are_counted_exactly(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    value = document(random.Random(seed), SCALARS)  # noqa: S311 - cases, not secrets
    packed, count = msgpack.packb(value), count_of(value)
    monkeypatch.setattr(envelope, "UNCHECKED_BYTES", 0)
    monkeypatch.setattr(envelope, "MAX_ELEMENTS", count)
    check_msgpack(packed)
    monkeypatch.setattr(envelope, "MAX_ELEMENTS", count - 1)
    with pytest.raises(OversizedMessageError):
        check_msgpack(packed)


@pytest.mark.parametrize("seed", range(50))
def test_the_depth_of_json_is_found_whatever_its_texts_contain(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = document(random.Random(seed), [1, None, *TEXTS])  # noqa: S311
    depth = depth_of([value])
    flat = json.dumps([value, *[[]] * 40]).encode()  # more brackets than any depth, so that they are counted
    monkeypatch.setattr(envelope, "MAX_DEPTH", max(depth, 2))
    check_json(flat)
    if depth > 2:
        monkeypatch.setattr(envelope, "MAX_DEPTH", depth - 1)
        with pytest.raises(OversizedMessageError, match="nested more than"):
            check_json(flat)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 33,
        b"[" * 200_000,
        b'{"a":' * 1000,
        b"[]," * 2_000_001,
        b"x" * 1001,
        b'"' * 4_000_002 + b"[" * 33,
    ],
)
def test_json_that_is_costly_to_parse_is_refused_unparsed(data: bytes) -> None:
    with pytest.raises(OversizedMessageError):
        check_json(data, max_bytes=1000 if len(data) == 1001 else 128 << 20)


@pytest.mark.parametrize("data", [b"", b"x", b"\xff", b"[1,", b'{"a"}'])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(RejectedMessageError, match="not JSON"):
        parse_json(data)


def test_only_listed_headers_are_kept() -> None:
    sent = {"task": "breakeven.decode", "id": "breakeven-1", "eta": "x", "timelimit": [9, 9], "group": "g"}
    kept = validate(TaskHeaders, sent, "headers").model_dump()
    assert {
        name for name in ("eta", "expires", "timelimit", "group", "shadow", "stamps") if name in kept
    } == set()


def test_the_first_field_that_is_not_valid_is_named_in_one_printable_line() -> None:
    with pytest.raises(RejectedMessageError) as caught:
        validate(ResultMeta, {"status": "\x1b[31m", "task_id": "x\n" * 10_000}, "a result")
    assert str(caught.value).startswith("a result: status: input should be 'SUCCESS'")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 300
