"""Hostile task messages: each is rejected, counted and settled, and the worker goes on."""

from __future__ import annotations

import bz2
import zlib
from typing import Any

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from tests.security.wire import NO_EMBED, Workers, altered, envelope, result_of, send, task_body, task_id
from tests.waiting import until


def assert_rejected(workers: Workers, *messages: bytes) -> None:
    """Assert that each message is counted as rejected, and that both workers still serve."""
    before = sum(workers.rejected().values())
    send(workers.fleet, *messages)
    workers.assert_serving()
    assert sum(workers.rejected().values()) == before + len(messages)


@pytest.mark.parametrize(
    "message",
    [b"[" * 990, b"[" * 200_000, b'{"a":' * 200_000, b"{" * 990, b"", b"null", b"7", b"\xff\xfe", b"{}"],
    ids=lambda message: f"{message[:8]!r}x{len(message)}",
)
def test_nested_or_broken_json_does_not_end_a_worker(workers: Workers, message: bytes) -> None:
    assert_rejected(workers, message, message)


def test_a_body_that_is_nested_too_deep_is_rejected(workers: Workers) -> None:
    nested = b'[[], {"version": ' + b"[" * 5000 + b"]" * 5000 + b"}, {}]"
    assert_rejected(workers, *(envelope(workers.fleet, task_id(workers.fleet), nested) for _ in range(2)))


def test_a_message_above_the_size_limit_is_rejected_before_it_is_parsed(workers: Workers) -> None:
    assert_rejected(workers, b'{"body": "' + b"A" * (129 << 20) + b'"}')
    assert workers.peak_bytes() < 1 << 30


@pytest.mark.parametrize(
    "headers",
    [
        {"id": ["a"]},
        {"id": {}},
        {"id": None},
        {"id": "x" * 100_000},
        {"id": "not of ours"},
        {"retries": "x"},
        {"retries": -(10**9)},
        {"retries": None},
        {"task": ["breakeven.diagnostics"]},
        {"task": "os.system"},
        {"task": None},
        {"root_id": ["a"]},
        {"argsrepr": {"a": 1}},
        {"argsrepr": "x" * 1_000_000},
        {"compression": "application/x-gzip"},
        {"compression": ["x"]},
        {"clock": "x"},
        {"expires": ["x"]},
    ],
    ids=str,
)
def test_headers_that_are_not_valid_are_rejected_and_keep_no_prefetch_slot(
    workers: Workers, headers: dict[str, Any]
) -> None:
    messages = [
        envelope(workers.fleet, id_, task_body(id_), headers)
        for id_ in (task_id(workers.fleet), task_id(workers.fleet))
    ]
    assert_rejected(workers, *messages)


@pytest.mark.parametrize(
    "headers",
    [
        {"timelimit": "x"},
        {"timelimit": [["a"], "b"]},
        {"timelimit": [100_000, None]},
        {"eta": "2036-01-01T00:00:00+00:00"},
        {"eta": "x"},
        {"eta": 10**12},
        {"expires": "1999-01-01T00:00:00+00:00"},
        {"group": "x", "group_index": "y"},
        {"stamped_headers": "x", "stamps": 7},
        {"ignore_result": True},
        {"shadow": "celery.chord"},
        {"replaced_task_nesting": "x"},
        {"headers": ["x"]},
    ],
    ids=str,
)
def test_what_a_sender_asks_of_time_and_routing_is_ignored(workers: Workers, headers: dict[str, Any]) -> None:
    ids = [task_id(workers.fleet) for _ in range(4)]
    send(workers.fleet, *(envelope(workers.fleet, id_, task_body(id_), headers) for id_ in ids))
    assert [result_of(workers.fleet, id_, 10.0)["status"] for id_ in ids] == ["SUCCESS"] * 4
    workers.assert_serving()


def test_a_task_ends_at_the_worker_s_own_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKEVEN_TASK_TIME_LIMIT_S", "1")
    with ChildProcesses() as processes, embedded_fleet(processes, 1, events=False, origins=()) as fleet:
        fleet.use_slots(1)
        id_ = task_id(fleet)
        send(fleet, envelope(fleet, id_, task_body(id_, "sleep", "60"), {"timelimit": [100_000, None]}))
        assert result_of(fleet, id_, 20.0)["result"]["exc_type"] == "TimeLimitExceeded"


@pytest.mark.parametrize("kind", ["application/x-bz2", "application/x-gzip"])
def test_a_compressed_message_is_rejected_without_being_decompressed(workers: Workers, kind: str) -> None:
    bomb = _bomb(kind, 1 << 30)
    messages = [
        envelope(workers.fleet, id_, bomb, {"compression": kind})
        for id_ in (task_id(workers.fleet), task_id(workers.fleet))
    ]
    assert_rejected(workers, *messages)
    assert workers.peak_bytes() < 1 << 30


def _bomb(kind: str, size: int) -> bytes:
    compressor = bz2.BZ2Compressor() if kind.endswith("bz2") else zlib.compressobj()
    part = bytes(1 << 20)
    return b"".join(compressor.compress(part) for _ in range(size >> 20)) + compressor.flush()


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"[[], {}]",
        b"[[], [], {}]",
        b"[[], {}, {}, {}]",
        b'[["positional"], {}, {}]',
        b"not json",
        b"",
        b"[" + b"[]," * 3_000_000 + b"[]]",
    ],
    ids=lambda body: f"{body[:16]!r}",
)
def test_a_body_that_is_not_valid_is_rejected(workers: Workers, body: bytes) -> None:
    assert_rejected(workers, *(envelope(workers.fleet, task_id(workers.fleet), body) for _ in range(2)))
    assert workers.peak_bytes() < 1 << 30


@pytest.mark.parametrize(
    "task", ["celery.group", "celery.chord", "celery.chain", "celery.map", "celery.starmap", "celery.chunks"]
)
def test_celery_s_own_tasks_are_not_registered(workers: Workers, task: str) -> None:
    inner = {"task": "breakeven.diagnostics", "args": [], "kwargs": {}}
    body = [[], {"task": inner, "it": [[1]] * 10}, NO_EMBED]
    assert_rejected(
        workers, *(envelope(workers.fleet, task_id(workers.fleet), body, task=task) for _ in "ab")
    )


@pytest.mark.parametrize("part", ["callbacks", "errbacks", "chain", "chord"])
def test_a_message_that_links_to_another_task_is_rejected(workers: Workers, part: str) -> None:
    link = {"task": "breakeven.diagnostics", "args": [], "kwargs": {}, "options": {}, "subtask_type": None}
    embed = {**NO_EMBED, part: link if part == "chord" else [link]}
    messages = [
        envelope(workers.fleet, id_, task_body(id_, embed=embed))
        for id_ in (task_id(workers.fleet), task_id(workers.fleet))
    ]
    assert_rejected(workers, *messages)


@pytest.mark.parametrize(
    "fields",
    [
        {"content-type": "application/x-python-serialize"},
        {"content-type": "application/x-yaml"},
        {"content-type": ["x"]},
        {"content-encoding": "utf-7"},
        {"headers": []},
        {"headers": None},
        {"properties": None},
        {"properties": {"delivery_tag": "x"}},
        {"properties": {"delivery_tag": ["x"], "delivery_info": {"exchange": "x", "routing_key": "x"}}},
        {"body": 7},
        {"body": "not base64!"},
    ],
    ids=str,
)
def test_an_envelope_that_is_not_valid_is_rejected(workers: Workers, fields: dict[str, Any]) -> None:
    messages = [
        altered(envelope(workers.fleet, id_, task_body(id_)), fields)
        for id_ in (task_id(workers.fleet), task_id(workers.fleet))
    ]
    assert_rejected(workers, *messages)


def test_a_content_type_reaches_the_log_in_one_printable_line(workers: Workers) -> None:
    forged = "text/x\x1b[31m\n[2026-01-01 00:00:00,000: CRITICAL/MainProcess] FORGED\r\x9b"
    messages = [
        altered(envelope(workers.fleet, id_, task_body(id_)), {"content-type": forged})
        for id_ in (task_id(workers.fleet), task_id(workers.fleet))
    ]
    assert_rejected(workers, *messages)
    log = workers.log()
    assert "\x1b" not in log
    assert "\x9b" not in log
    assert not any(line.startswith("[2026-01-01 00:00:00,000: CRITICAL") for line in log.splitlines())


def test_a_broken_entry_among_the_fetched_messages_is_dropped(workers: Workers) -> None:
    """Workers look through `unacked` for messages that dead workers left; one broken entry must not stop that."""
    with workers.fleet.client() as client:
        entries = {"t1": "[" * 200_000, "t2": "x", "t3": "[1, 2]", "t4": '[{"headers": 7}, [], {}]', "t5": ""}
        id_ = task_id(workers.fleet)
        left = envelope(workers.fleet, id_, task_body(id_)).decode()
        entries["left"] = f'[{left}, "{workers.fleet.run_id}", "{workers.fleet.run_id}"]'
        client.hset("unacked", mapping=entries)
        client.zadd("unacked_index", {tag: 1.0 + number for number, tag in enumerate(reversed(entries))})
        assert result_of(workers.fleet, id_)["status"] == "SUCCESS"
        until(lambda: not client.exists("unacked_index"), "no entry is left")
    workers.assert_serving()
