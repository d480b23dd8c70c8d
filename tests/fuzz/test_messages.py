"""What arrives over the network: a valid message, reply or reference, or an error that names the fault."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.fuzz.cases import fuzz
from tests.fuzz.values import ANYTHING, corrupt
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
MESSAGE = TaskMessage(
    VERSION, "breakeven-0123456789ab-1-0-1", "numpy", "redis", [(1, REFERENCES[0]), (2, REFERENCES[3])]
)
RESULT = TaskResult(1, KEYED, None, 1.0, 0.1, 0.2, 0.2, 0.1, 1.5)
FAILED = TaskResult(2, None, Failure("DecodeError", "broken picture"), 1.0, 0.1, 0.2, 0.2, 0.1, 1.5)
REPLY = TaskReply("slot1@host", "host:12", [RESULT, FAILED])


@fuzz(150, message=corrupt(MESSAGE.as_message()))
def test_a_message_is_valid_or_refused_in_one_line(message: Any) -> None:
    try:
        received = TaskMessage.from_message(message)
    except ForeignMessageError as error:
        assert_brief(str(error))
        return
    assert received.transport in ("inline", "redis", "files")
    assert received.key.startswith("breakeven-")
    for id_, reference in received.tasks:
        assert 0 <= id_ < 1 << 63
        assert reference == checked_reference(reference)


@fuzz(150, result=st.one_of(corrupt(REPLY.as_result()), ANYTHING))
def test_a_reply_is_valid_or_refused_in_one_line(result: Any) -> None:
    try:
        reply = TaskReply.from_result(result)
    except ForeignMessageError as error:
        assert_brief(str(error))
        return
    assert reply.worker.isprintable()
    for each in reply.results:
        assert abs(each.started_at) + abs(each.compute_s) < float("inf")
        assert each.failure is None or each.failure.message.isprintable()


@fuzz(
    150,
    reference=st.sampled_from(REFERENCES).flatmap(corrupt),
    raw=st.sampled_from([b"", bytes(24), bytes(25)]),
)
def test_bytes_and_a_reference_are_a_payload_or_an_error(reference: Any, raw: bytes) -> None:
    if not isinstance(reference, dict):
        return
    try:
        payload = codec.from_bytes(raw, reference)
    except PayloadMissingError as error:
        assert_brief(str(error))
        return
    assert isinstance(payload, np.ndarray | bytes)
    assert not isinstance(payload, np.ndarray) or payload.dtype.kind in codec.PLAIN_KINDS


@fuzz(150, reference=st.sampled_from(REFERENCES).flatmap(corrupt))
def test_a_transport_returns_a_payload_or_reports_it_missing(reference: Any) -> None:
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
        TaskMessage.from_message({**MESSAGE.as_message(), "version": theirs})
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
def test_an_invalid_part_of_a_message_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ForeignMessageError) as error:
        TaskMessage.from_message({**MESSAGE.as_message(), **change})
    assert words in str(error.value)
    assert_brief(str(error.value))


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 1e13, 10**400, "1.0", True, None])
def test_a_reply_with_an_invalid_time_is_refused(time: Any) -> None:
    row = RESULT.as_row()
    row[4] = time
    with pytest.raises(ForeignMessageError, match="an invalid time"):
        TaskResult.from_row(row)


def test_whole_messages_are_read_as_they_were_written() -> None:
    assert TaskMessage.from_message(MESSAGE.as_message()) == MESSAGE
    assert TaskReply.from_result(REPLY.as_result()) == REPLY


def assert_brief(message: str) -> None:
    assert len(message) < 500
    assert message.isprintable()
