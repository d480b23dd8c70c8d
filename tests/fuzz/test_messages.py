"""What comes over the wire: an order, an answer, a reference and its payload, or a refusal that says why."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.fuzz.cases import fuzz
from tests.fuzz.values import ANYTHING, spoilt
from worker.contract import Failure
from worker.messages import VERSION, ForeignMessageError, TaskMessage, TaskReply, TaskResult
from worker.payloads import codec
from worker.payloads.files import Files
from worker.payloads.inline import Inline
from worker.payloads.transport import PayloadMissingError, Reference, checked_reference

KEYED: Reference = {"key": "breakeven-0123456789ab-1-0:in:1", "size": 24, "shape": [2, 4, 3]}
REFERENCES: list[Reference] = [
    KEYED,
    {**KEYED, "shape": None},
    {**KEYED, "shape": [3, 1], "dtype": "<f8"},
    {"url": "http://127.0.0.1:8000/images/0.jpg"},
    {"raw": bytes(24), "size": 24, "shape": [2, 4, 3]},
]
ORDER = TaskMessage(
    VERSION, "breakeven-0123456789ab-1-0-1", "numpy", "redis", [(1, REFERENCES[0]), (2, REFERENCES[3])]
)
ENTRY = TaskResult(1, KEYED, None, 1.0, 0.1, 0.2, 0.2, 0.1, 1.5)
FAILED = TaskResult(2, None, Failure("DecodeError", "broken picture"), 1.0, 0.1, 0.2, 0.2, 0.1, 1.5)
ANSWER = TaskReply("slot1@host", "host:12", [ENTRY, FAILED])


@fuzz(150, message=spoilt(ORDER.as_message()))
def test_an_order_is_one_of_ours_or_refused_in_a_line(message: Any) -> None:
    try:
        order = TaskMessage.from_message(message)
    except ForeignMessageError as error:
        assert_brief(str(error))
        return
    assert order.transport in ("inline", "redis", "files")
    assert order.key.startswith("breakeven-")
    for id_, reference in order.tasks:
        assert 0 <= id_ < 1 << 63
        assert reference == checked_reference(reference)


@fuzz(150, result=st.one_of(spoilt(ANSWER.as_result()), ANYTHING))
def test_an_answer_is_one_of_ours_or_refused_in_a_line(result: Any) -> None:
    try:
        answer = TaskReply.from_result(result)
    except ForeignMessageError as error:
        assert_brief(str(error))
        return
    assert answer.worker.isprintable()
    for entry in answer.results:
        assert abs(entry.started_at) + abs(entry.compute_s) < float("inf")
        assert entry.failure is None or entry.failure.message.isprintable()


@fuzz(
    150,
    reference=st.sampled_from(REFERENCES).flatmap(spoilt),
    raw=st.sampled_from([b"", bytes(24), bytes(25)]),
)
def test_bytes_and_a_reference_are_a_payload_or_none(reference: Any, raw: bytes) -> None:
    if not isinstance(reference, dict):
        return
    try:
        payload = codec.from_bytes(raw, reference)
    except PayloadMissingError as error:
        assert_brief(str(error))
        return
    assert isinstance(payload, np.ndarray | bytes)
    assert not isinstance(payload, np.ndarray) or payload.dtype.kind in codec.PLAIN_KINDS


@fuzz(150, reference=st.sampled_from(REFERENCES).flatmap(spoilt))
def test_a_transport_gives_a_payload_or_says_that_there_is_none(reference: Any) -> None:
    if not isinstance(reference, dict):
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / KEYED["key"]).write_bytes(bytes(24))
        for transport in (Files(Path(folder)), Inline()):
            try:
                transport.get(reference)
            except PayloadMissingError as error:
                assert_brief(str(error))


@pytest.mark.parametrize("theirs", [VERSION + 1, VERSION - 1, None, "2", [], True, "x" * 10_000])
def test_another_version_is_refused_by_its_number(theirs: Any) -> None:
    with pytest.raises(
        ForeignMessageError, match=f"this worker speaks {VERSION}: use the same release"
    ) as error:
        TaskMessage.from_message({**ORDER.as_message(), "version": theirs})
    assert repr(theirs)[:80] in str(error.value)
    assert_brief(str(error.value))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transport": "carrier pigeon"}, "this worker knows inline, redis, files"),
        ({"key": "dump.rdb"}, "'dump.rdb' is not the name of a payload"),
        ({"key": "breakeven-/../x"}, "is not the name of a payload"),
        (
            {"tasks": [[1, {"key": "other:secret", "size": 1, "shape": None}]]},
            "'other:secret' is not the name",
        ),
        ({"tasks": [[1, {"path": "/etc/passwd"}]]}, "a reference of 'path'"),
        ({"tasks": [[1, {**KEYED, "dtype": "|O"}]]}, "a payload of '|O'"),
        ({"tasks": [[-1, KEYED]]}, "an invalid task id -1"),
        ({"tasks": [[1, KEYED]] * 100_001}, "not a list of up to 100000 tasks"),
        ({"kernel": "x" * 1000}, "an invalid name 'xxx"),
        ({"kernel": None}, "an invalid name None"),
    ],
)
def test_what_an_order_must_not_hold_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ForeignMessageError) as error:
        TaskMessage.from_message({**ORDER.as_message(), **change})
    assert words in str(error.value)
    assert_brief(str(error.value))


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 1e13, 10**400, "1.0", True, None])
def test_a_time_that_is_none_is_no_answer(time: Any) -> None:
    row = ENTRY.as_row()
    row[4] = time
    with pytest.raises(ForeignMessageError, match="an invalid time"):
        TaskResult.from_row(row)


def test_whole_messages_are_read_as_they_were_written() -> None:
    assert TaskMessage.from_message(ORDER.as_message()) == ORDER
    assert TaskReply.from_result(ANSWER.as_result()) == ANSWER


def assert_brief(message: str) -> None:
    assert len(message) < 500
    assert message.isprintable()
