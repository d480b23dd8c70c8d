"""Connections to the broker, of workers and of the orchestrator, that go silent or break at a bad moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from kombu import Connection, Consumer, Exchange, Message, Producer, Queue, pidbox
from redis.client import Pipeline

from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import CONNECTION_ERRORS, connect_app
from orchestrator.fleet.workers import ask
from orchestrator.strategies.celery import connection as celery_connection
from orchestrator.strategies.celery.connection import Publisher
from tests.faults.fleets import OwnBroker, own_broker
from tests.faults.proxy import Proxy
from tests.waiting import until
from worker.app import make_app
from worker.celery_patches import QoS, install
from worker.payloads.redis import Redis, connect

QUEUE = "errands"
PATIENCE_S = 0.2


@pytest.fixture
def broker() -> Iterator[OwnBroker]:
    with own_broker() as broker:
        yield broker


@pytest.fixture
def line(broker: OwnBroker) -> Iterator[Proxy]:
    with Proxy(broker.port) as proxy:
        yield proxy


@pytest.fixture
def connection(broker: OwnBroker, line: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setattr("kombu.transport.redis.Transport.Channel", None)
    install()
    options = {"socket_timeout": PATIENCE_S, "socket_connect_timeout": 5.0}
    with Connection(broker.url(line.port), transport_options=options) as connection:
        yield connection


def fetched(connection: Connection, body: str = "one") -> Message:
    """Fetch a message, and do not acknowledge it."""
    channel, got = connection.default_channel, []
    Producer(channel).publish([body], routing_key=QUEUE, declare=[Queue(QUEUE)])
    consumer = Consumer(channel, [Queue(QUEUE)], on_message=got.append, prefetch_count=1)
    consumer.consume()
    while not got:
        connection.drain_events(timeout=5)
    return got[0]


def go_silent(line: Proxy) -> None:
    """Make all open connections pass nothing; new ones work."""
    line.silence()
    line.restore_after(0.0)
    until(lambda: line.mute and not line.silent)


def unacknowledged(broker: OwnBroker) -> int:
    with broker.client() as client:
        return int(client.hlen("unacked"))


def test_a_message_is_acknowledged_on_a_new_connection_if_the_old_one_is_silent(
    broker: OwnBroker, line: Proxy, connection: Connection
) -> None:
    message = fetched(connection)
    assert unacknowledged(broker) == 1
    go_silent(line)
    message.ack()
    assert unacknowledged(broker) == 0
    assert connection.default_channel.qos.can_consume()


def test_a_message_that_is_requeued_on_a_silent_connection_is_queued_once(
    broker: OwnBroker, line: Proxy, connection: Connection
) -> None:
    message = fetched(connection)
    go_silent(line)
    message.requeue()
    with broker.client() as client:
        assert client.llen(QUEUE) == 1
    assert unacknowledged(broker) == 0


def test_a_message_that_arrives_on_a_silent_connection_is_registered_on_a_new_one(
    broker: OwnBroker, line: Proxy, connection: Connection
) -> None:
    message = fetched(connection)
    qos: QoS = connection.default_channel.qos
    go_silent(line)
    qos.append(message, "tag")
    with broker.client() as client:
        assert client.hexists("unacked", "tag")


def test_without_any_connection_the_prefetch_slot_is_free_again(line: Proxy, connection: Connection) -> None:
    message = fetched(connection)
    line.silence()
    until(lambda: line.mute)
    with pytest.raises((redis.RedisError, OSError)):
        message.ack()
    assert connection.default_channel.qos.can_consume()


def test_what_is_published_after_a_drop_goes_out_on_a_new_connection(broker: OwnBroker, line: Proxy) -> None:
    app = make_app(broker.settings(line.port))
    publisher = Publisher(app, Queue(QUEUE, Exchange(QUEUE, type="direct"), routing_key=QUEUE))
    publisher.open()
    go_silent(line)
    publisher.drop()
    publisher.open()
    with publisher.burst() as flush:
        publisher.add("breakeven.diagnostics", "id", {}, "json", "")
        flush()
    publisher.close()
    app.close()
    with broker.client() as client:
        assert client.llen(QUEUE) == 1


def test_a_server_that_was_waited_for_in_vain_is_tried_once_more_and_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, tries = [0.0], [0]
    monkeypatch.setattr(celery_connection.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(celery_connection.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))

    def disconnect() -> None:
        tries[0] += 1
        raise ConnectionError("refused")

    fleet: Any = SimpleNamespace(is_unreachable=False, check=lambda: None, disconnect=disconnect)
    others: Any = None
    for waited_s in (30.0, 0.0):
        began, tried = now[0], tries[0]
        made = celery_connection.Connection(fleet, "redis", others, others, others, others, 0)
        with pytest.raises(UnavailableError, match="did not come back within 30 s"):
            made.reconnect(ConnectionError("reset"))
        assert now[0] - began == pytest.approx(waited_s, abs=0.2)
    assert (tries[0] - tried, fleet.is_unreachable) == (1, True)


def test_a_broker_that_dies_before_messages_are_sent_is_a_broken_connection(broker: OwnBroker) -> None:
    app = make_app(broker.settings())
    publisher = Publisher(app, Queue(QUEUE, Exchange(QUEUE, type="direct"), routing_key=QUEUE))
    publisher.open()

    def publish_too_late() -> None:
        with publisher.burst() as flush:
            publisher.add("breakeven.diagnostics", "id", {}, "json", "")
            os.kill(broker.processes.pids["broker"], signal.SIGKILL)
            broker.wait_for_end("broker")
            flush()

    with pytest.raises(CONNECTION_ERRORS):
        publish_too_late()
    publisher.drop()
    app.close()


def test_a_payload_whose_reply_is_lost_can_be_taken_again(
    broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = Redis(connect(broker.url()))
    references = transport.put_many([("one", b"1"), ("two", b"2")])
    executed = Pipeline.execute

    def cut_after(pipe: Pipeline) -> None:
        executed(pipe)
        raise redis.ConnectionError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(Pipeline, "execute", cut_after)
        with pytest.raises(redis.ConnectionError):
            transport.get_many(references, take=True)
    assert transport.get_many(references, take=True) == [b"1", b"2"]
    transport.delete([])
    with broker.client() as client:
        assert client.keys("*") == []
    transport.close()


@pytest.mark.timeout(30)
def test_a_command_to_workers_fails_at_once_if_the_broker_dies_before_it_is_sent(
    broker: OwnBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kombu would publish it again, every second, for as long as the broker stays away."""
    declare = pidbox.maybe_declare

    def declare_and_die(queue: Queue) -> None:
        declare(queue)
        os.kill(broker.processes.pids["broker"], signal.SIGKILL)
        broker.wait_for_end("broker")

    app = connect_app(broker.settings())
    assert ask(app, "ping", None, 0.1) == {}
    monkeypatch.setattr(pidbox, "maybe_declare", declare_and_die)
    with pytest.raises(CONNECTION_ERRORS):
        ask(app, "ping", None, 0.1)
