"""What a peer writes to the broker, against two real workers: every message is settled, and both go on."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from hypothesis import strategies as st

from orchestrator.fleet import workers as fleet_workers
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from tests.fuzz.cases import SCALE, fuzz
from tests.fuzz.values import corrupt
from tests.security.wire import CONTROL_CHANNEL, NO_EMBED, Workers
from tests.waiting import until
from worker.messages import VERSION

SLOTS = 2
MAX_WORKER_BYTES = 1 << 30
DRAIN_EVERY = 200  # messages in the queue

NAME = "breakeven-0123456789ab-fuzz-0"
PROPERTIES = {
    "correlation_id": "1",
    "reply_to": "x",
    "delivery_mode": 2,
    "delivery_info": {"exchange": NAME, "routing_key": NAME, "redelivered": False},
    "priority": 0,
    "body_encoding": "base64",
    "delivery_tag": "0b7d0a1e-7f3c",
}
TASK = {
    "body": [
        [],
        {
            "version": VERSION,
            "key": NAME,
            "kernel": "noop",
            "transport": "inline",
            "tasks": [[1, {"url": "x"}]],
        },
        NO_EMBED,
    ],
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {
        "lang": "py",
        "task": "breakeven.diagnostics",
        "id": NAME,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": NAME,
        "parent_id": None,
        "argsrepr": "noop",
        "kwargsrepr": "{}",
        "origin": "gen1@host",
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
        "compression": None,
    },
    "properties": PROPERTIES,
}
COMMANDS = ("ping", "breakeven_present", "breakeven_payload", "add_consumer", "shutdown", "revoke", "stats")
CONTROL = {
    "body": {
        "method": "ping",
        "arguments": {"run": "breakeven-0123456789ab", "queue": NAME},
        "destination": None,
        "pattern": None,
        "matcher": None,
        "ticket": "t",
        "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "no-such-queue"},
    },
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {"clock": 1, "expires": 0, "ticket": "t", "compression": None},
    "properties": {**PROPERTIES, "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""}},
}
REPLY = {**CONTROL, "body": {"slot1@host": {"monotonic_s": 1.0}}}


def encoded(message: Any) -> bytes:
    """Return a corrupted message as it would be stored, its body encoded if it still has one."""
    if isinstance(message, dict) and not isinstance(message.get("body", ""), str):
        body = base64.b64encode(json.dumps(message["body"]).encode()).decode()
        message = {**message, "body": body}
    return json.dumps(message).encode()


def cut(message: bytes) -> st.SearchStrategy[bytes]:
    """Draw the message with a part of it replaced by other bytes."""
    places = st.tuples(st.integers(0, len(message)), st.integers(0, len(message)), st.binary(max_size=8))
    return places.map(lambda drawn: message[: drawn[0]] + drawn[2] + message[drawn[1] :])


class Peer:
    """Writes to the broker and counts the task messages that it wrote."""

    def __init__(self, workers: Workers, client: redis.Redis) -> None:
        self.workers, self.client, self.sent = workers, client, 0
        self._settled_before = self.settled()

    def queue(self, message: bytes) -> None:
        self.client.lpush(self.workers.fleet.run_id, message)
        self.sent += 1
        if self.sent % DRAIN_EVERY == 0:
            self.drain()

    def drain(self) -> None:
        until(lambda: not self.client.llen(self.workers.fleet.run_id), "the queue is empty", 60.0)

    def settled(self) -> int:
        """Return how many messages the workers have executed or rejected."""
        replies = self.workers.fleet.app.control.broadcast("stats", reply=True, timeout=10, limit=SLOTS)
        executed = sum(sum(stats["total"].values()) for reply in replies for stats in reply.values())
        return int(executed) + sum(self.workers.rejected().values())

    def assert_all_settled(self) -> None:
        self.drain()
        until(lambda: not self.client.exists("unacked"), "no message is left unsettled", 60.0)
        until(lambda: self.settled() - self._settled_before == self.sent, "every message is counted")


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with ChildProcesses() as processes, embedded_fleet(processes, SLOTS, events=False, origins=()) as fleet:
        fleet.measure_clock_offsets()
        fleet.use_slots(SLOTS)
        workers = Workers(fleet, processes)
        workers.assert_serving()
        with fleet.client() as client:
            yield Peer(workers, client)


@fuzz(350, message=corrupt(TASK, json_only=True))
def test_a_corrupt_task_message_is_executed_or_rejected(peer: Peer, message: Any) -> None:
    peer.queue(encoded(message))


@fuzz(75, message=st.one_of(st.binary(max_size=64), cut(encoded(TASK))))
def test_bytes_in_the_queue_are_executed_or_rejected(peer: Peer, message: bytes) -> None:
    if message:
        peer.queue(message)


def test_every_task_message_was_settled(peer: Peer) -> None:
    peer.assert_all_settled()
    peer.workers.assert_serving()


@fuzz(
    75,
    message=st.sampled_from(COMMANDS)
    .map(lambda method: {**CONTROL, "body": {**CONTROL["body"], "method": method}})  # type: ignore[dict-item]
    .flatmap(lambda message: corrupt(message, json_only=True)),
)
def test_a_corrupt_control_message_is_obeyed_or_rejected(peer: Peer, message: Any) -> None:
    assert peer.client.publish(CONTROL_CHANNEL, encoded(message)) == SLOTS


@fuzz(25, message=st.one_of(corrupt(REPLY, json_only=True).map(encoded), st.binary(min_size=1, max_size=64)))
def test_a_corrupt_reply_leaves_the_orchestrator_as_it_was(peer: Peer, message: bytes) -> None:
    fleet = peer.workers.fleet
    peer.client.lpush(f"{fleet.app.control.mailbox.oid}.reply.celery.pidbox", message)
    assert set(fleet_workers.ask(fleet.app, "breakeven_clock", peer.workers.names, 10.0)) >= set()


def test_both_workers_serve_afterwards_in_bounded_memory(peer: Peer) -> None:
    peer.workers.assert_serving()
    assert peer.workers.peak_bytes() < MAX_WORKER_BYTES
    log = peer.workers.log()
    assert all(line.isprintable() for line in log.splitlines())
    assert SCALE == 1 or peer.sent > 1000
