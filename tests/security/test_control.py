"""Hostile remote control: what a peer can publish to every worker ends none, changes none, and returns no payload."""

from __future__ import annotations

import base64
import bz2
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from orchestrator.fleet import workers as fleet_workers
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from tests.security.wire import (
    Workers,
    altered,
    broadcast,
    control_message,
    envelope,
    send,
    task_body,
    task_id,
)
from tests.waiting import until

OURS = {"method": "ping", "arguments": {}, "destination": None}


def command(method: str, **arguments: Any) -> bytes:
    return control_message({"method": method, "arguments": arguments, "destination": None})


def assert_rejected(workers: Workers, *messages: bytes) -> None:
    """Assert that every worker counts each message as rejected, obeys none and still serves."""
    before = workers.rejected()
    broadcast(workers.fleet, *messages)
    workers.assert_serving()
    assert workers.rejected() == {name: count + len(messages) for name, count in before.items()}


@pytest.mark.parametrize(
    "message", [b"[" * 200_000, b'{"a":' * 200_000, b"x", b"null", b"7", b"{}", b"\xff", b"[" * 2_000_000]
)
def test_nested_or_broken_json_does_not_end_a_worker(workers: Workers, message: bytes) -> None:
    assert_rejected(workers, message)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 5000 + b"]" * 5000,
        b"[]",
        b"null",
        b"7",
        b"{}",
        b"",
        b"not json",
        b'{"method": ["ping"]}',
        b'{"method": "ping", "arguments": []}',
        b'{"method": "ping", "arguments": {"x\\u001b[31m": 1}}',
        b'{"method": "ping", "destination": "slot1"}',
        b'{"method": "ping", "reply_to": "x"}',
        b'{"method": "ping", "ticket": ["x"]}',
        b'{"method": "ping", "pattern": "(a+)+$", "matcher": "pcre"}',
    ],
)
def test_a_control_message_that_is_not_valid_is_rejected(workers: Workers, body: bytes) -> None:
    assert_rejected(workers, control_message(body))
    assert "\x1b" not in workers.log()


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"clock": "x"}, {}),
        ({"clock": 10**400}, {}),
        ({"clock": [1]}, {}),
        ({"compression": "application/x-bz2"}, {}),
        ({}, {"headers": ["x"]}),
        ({}, {"content-type": "application/x-python-serialize"}),
        ({}, {"content-type": "text/\x1b[31m\nFORGED"}),
        ({}, {"properties": {}}),
    ],
)
def test_a_control_envelope_that_is_not_valid_is_rejected(
    workers: Workers, headers: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert_rejected(workers, altered(control_message(OURS, headers), fields))
    assert "\x1b" not in workers.log()


@pytest.mark.parametrize(
    "message",
    [
        command("shutdown", msg="bye"),
        command("pool_grow", n=50),
        command("pool_shrink", n=1),
        command("pool_restart"),
        command("autoscale", max=50, min=50),
        command("time_limit", task_name="breakeven.diagnostics", hard=0.001),
        command("rate_limit", task_name="breakeven.diagnostics", rate_limit="1/h"),
        command("revoke", task_id="x", terminate=True),
        command("revoke_by_stamped_headers", headers={"x": "y"}),
        command("terminate", signal="KILL", task_id="x"),
        command("election", id="x", topic="y"),
        command("hello", from_node="x", revoked={}),
        command("query_task", ids=["x"]),
        command("dump_active"),
        command("objgraph"),
        command("memdump"),
        command("report"),
        command("__class__"),
        command("add_consumer", queue="celery"),
        command("add_consumer", queue="breakeven-1", exchange="celeryev"),
        command("add_consumer", queue="breakeven-1", exchange_type="topic"),
        command("add_consumer", queue="breakeven-1", auto_delete=True),
        command("add_consumer", queue=["x"]),
        command("cancel_consumer", queue="other"),
        command("cancel_consumer"),
        command("breakeven_payload", run="breakeven-1:in:0"),
        command("breakeven_payload", key="_kombu.binding.celery"),
    ],
    ids=lambda message: json.loads(base64.b64decode(json.loads(message)["body"]))["method"],
)
def test_a_command_that_is_not_allowed_is_rejected(workers: Workers, message: bytes) -> None:
    assert_rejected(workers, message)


def test_a_worker_says_only_whether_it_has_the_probe_of_a_run(workers: Workers) -> None:
    fleet = workers.fleet
    with fleet.client() as client:
        client.set("somebody-elses-key", "x")
        client.set(f"{fleet.run_id}:reach", "x")
        for key in ("somebody-elses-key", f"{fleet.run_id}:in:1", "celery-task-meta-x"):
            answers = fleet_workers.ask(fleet.app, "breakeven_payload", workers.names, 10.0, key=key)
            assert all("found" not in answer for answer in answers.values())
        found = fleet_workers.ask(fleet.app, "breakeven_payload", workers.names, 10.0, run=fleet.run_id)
        assert [answer["found"] for answer in found.values()] == [True, True]
        client.unlink("somebody-elses-key", f"{fleet.run_id}:reach")


def test_no_command_returns_what_a_message_contains(workers: Workers) -> None:
    fleet = workers.fleet
    payload = "0.5 "  # the diagnostics kernel `sleep` takes it as a payload
    ids = [task_id(fleet) for _ in range(4)]
    send(fleet, *(envelope(fleet, id_, task_body(id_, "sleep", payload)) for id_ in ids))
    for name in ("active", "reserved", "scheduled"):
        replies = fleet.app.control.broadcast(name, reply=True, timeout=10, limit=2)
        assert len(replies) == 2
        assert payload not in json.dumps(replies)
    workers.assert_serving()


def test_a_reply_goes_to_the_exchange_of_replies_and_nowhere_else(workers: Workers) -> None:
    run = workers.fleet.run_id
    body = {**OURS, "ticket": "t", "reply_to": {"exchange": run, "routing_key": run}}
    assert_rejected(workers, control_message(body))


def test_an_operator_can_allow_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKEVEN_CONTROL", "shutdown, pool_grow")
    with ChildProcesses() as processes, embedded_fleet(processes, 1, events=False, origins=()) as fleet:
        (reply,) = fleet.app.control.broadcast("pool_grow", {"n": 1}, reply=True, timeout=10, limit=1)
        assert next(iter(reply.values())) == {"ok": "pool will grow"}
        broadcast(fleet, command("shutdown"))

        def ended() -> bool:
            processes.poll()
            return "worker1" in processes.ended

        until(ended, "the worker shuts down")


def _reply(workers: Workers, content: bytes, headers: dict[str, Any]) -> bytes:
    message = json.loads(control_message(content, headers))
    message["properties"]["delivery_info"] = {
        "exchange": "reply.celery.pidbox",
        "routing_key": workers.fleet.app.control.mailbox.oid,
    }
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    ("content", "headers", "fields"),
    [
        (b"{}", {"clock": "x"}, {}),
        (b"{}", {"ticket": ["x"]}, {}),
        (b"{}", {"expires": {}}, {}),
        (b"[" * 5000, {}, {}),
        (b"not json", {}, {}),
        (b"{}", {}, {"content-type": "application/x-python-serialize"}),
        (b"{}", {}, {"headers": 7}),
        (bz2.compress(bytes(1 << 28)), {"compression": "application/x-bz2"}, {}),
        (b"[" + b"[]," * 300_000 + b"[]]", {}, {}),
    ],
    ids=lambda part: f"{part!r:.40}",
)
def test_a_hostile_reply_leaves_the_orchestrator_as_it_was(
    workers: Workers, content: bytes, headers: dict[str, Any], fields: dict[str, Any]
) -> None:
    fleet = workers.fleet
    queue = f"{fleet.app.control.mailbox.oid}.reply.celery.pidbox"
    with fleet.client() as client:
        client.lpush(queue, altered(_reply(workers, content, headers), fields), b"[" * 100_000, b"\xff")
    before = _resident_peak()
    answers = fleet_workers.ask(fleet.app, "breakeven_clock", workers.names, 10.0)
    assert sorted(answers) == sorted(workers.names)
    assert _resident_peak() - before < 100 << 20


def test_replies_that_nobody_asked_for_are_not_kept(workers: Workers) -> None:
    fleet = workers.fleet
    mailbox = fleet.app.control.mailbox
    queue = f"{mailbox.oid}.reply.celery.pidbox"
    content = json.dumps({"evil@host": "x" * 10_000}).encode()
    for _ in range(3):
        with fleet.client() as client:
            client.lpush(
                queue, *(_reply(workers, content, {"ticket": str(uuid.uuid4())}) for _ in range(100))
            )
        fleet_workers.ask(fleet.app, "breakeven_clock", workers.names, 10.0)
    assert len(mailbox.unclaimed) <= 100


def _resident_peak() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
