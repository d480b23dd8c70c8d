"""The faults, each injected into a batch on a real broker with real workers; catalogue.py has the allowed outcomes."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from orchestrator.strategies.celery import Celery
from tests.faults.fleets import World, slot_process
from tests.faults.setups import Theirs, die_file
from tests.faults.trial import Trial, Work, naps, pictures
from tests.waiting import until
from worker.contract import Task
from worker.payloads.redis import connect


def slot_killed(world: World) -> Trial:
    """SIGKILL of the process that does a worker's tasks"""
    return world.trial(lambda _: os.kill(slot_process(world.pid("worker1")), signal.SIGKILL))


def slot_killed_after_answering(theirs: Theirs) -> Trial:
    """SIGKILL of a slot process that has answered, before its worker knows"""
    return theirs.trial(lambda _: die_file(theirs.broker).touch())


def worker_killed(world: World) -> Trial:
    """SIGKILL of an embedded worker"""
    return world.trial(lambda _: world.kill("worker1"))


def all_workers_killed(world: World) -> Trial:
    """SIGKILL of all embedded workers"""
    return world.trial(lambda _: [world.kill(name) for name in ("worker1", "worker2")])


def worker_stopped(world: World) -> Trial:
    """SIGSTOP of a worker for 8 s"""

    def stop(_: Celery) -> None:
        world.pause(slot_process(world.pid("worker1")), 8.0)
        world.pause(world.pid("worker1"), 8.0)

    return world.trial(stop)


def worker_drained(world: World) -> Trial:
    """SIGTERM of a worker: it ends what it has begun"""
    return world.trial(lambda _: os.kill(world.pid("worker1"), signal.SIGTERM))


def poison(world: World) -> Trial:
    """A task that kills its process each time"""
    work = naps(20)
    tasks = [*work.tasks[:10], Task(99, "diagnostics", "die", ""), *work.tasks[10:]]
    return world.trial(lambda _: None, Work(tasks, {**work.expected, 99: ""}))


def spare_takes_over(theirs: Theirs) -> Trial:
    """SIGKILL of a worker that stays away, with a spare one"""
    made = theirs.trial(lambda _: theirs.kill("a"))
    theirs.broker.wait_for_end("a")
    theirs.broker.processes.restart("a")
    return made


def worker_restarts(theirs: Theirs) -> Trial:
    """SIGKILL of a worker that its host starts again, with none to spare"""
    return theirs.trial(lambda _: theirs.broker.restart_worker("a"))


def worker_joins(theirs: Theirs) -> Trial:
    """A worker that joins while a batch runs"""

    def join(_: Celery) -> None:
        theirs.broker.start_worker("late")

    made = theirs.trial(join, naps(200))
    theirs.broker.end_worker("late")
    return made


def workers_gone(theirs: Theirs) -> Trial:
    """SIGKILL of all workers, which stay away"""
    made = theirs.trial(lambda _: [theirs.kill(name) for name in "ab"])
    for name in "ab":
        theirs.broker.wait_for_end(name)
        theirs.broker.processes.restart(name)
    return made


def over_the_limit(theirs: Theirs) -> Trial:
    """A task that takes longer than it may"""
    work = naps(20)
    tasks = [*work.tasks[:10], Task(99, "diagnostics", "sleep", "60"), *work.tasks[10:]]
    return theirs.trial(lambda _: None, Work(tasks, {**work.expected, 99: "60"}))


def broker_restarted(theirs: Theirs) -> Trial:
    """SIGKILL of the broker, which comes back empty"""
    return theirs.trial(lambda _: theirs.broker.restart())


def broker_flushed(theirs: Theirs) -> Trial:
    """FLUSHALL on the broker: the queue, its binding and every result are gone"""

    def flush(_: Celery) -> None:
        with theirs.broker.client() as client:
            client.flushall()

    return theirs.trial(flush)


def broker_stopped(theirs: Theirs) -> Trial:
    """SIGSTOP of the broker for 10 s"""
    return theirs.trial(lambda _: World.pause(theirs.broker.processes.pids["broker"], 10.0))


def line_cut(theirs: Theirs) -> Trial:
    """Every connection to the broker cut"""
    assert theirs.proxy is not None
    return theirs.trial(lambda _: theirs.proxy.cut())


def line_silent(theirs: Theirs) -> Trial:
    """Connections that are open and pass nothing; after 5 s new ones do"""
    assert theirs.proxy is not None
    proxy = theirs.proxy

    def silence(_: Celery) -> None:
        proxy.silence()
        proxy.restore_after(5.0)

    return theirs.trial(silence)


def out_of_memory(theirs: Theirs) -> Trial:
    """A broker whose memory is full, under noeviction"""

    def fill(_: Celery) -> None:
        with theirs.broker.client() as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)

    try:
        return theirs.trial(fill, pictures(200), after=2)
    finally:
        with theirs.broker.client() as client:
            client.config_set("maxmemory", 0)


def result_gone(theirs: Theirs) -> Trial:
    """A result that expires before it is heard"""

    def expire(strategy: Celery) -> None:
        strategy._connection.results._pubsub.connection._sock.shutdown(2)
        with theirs.broker.client() as client:
            until(lambda: not (client.llen(strategy._fleet.run_id) or client.hlen("unacked")))
            client.delete(*client.keys("celery-task-meta-*"))

    return theirs.trial(expire)


def payloads_gone(theirs: Theirs) -> Trial:
    """Payloads that expire before they are fetched"""
    over = threading.Event()

    def expire() -> None:
        with theirs.broker.client() as client:
            while not over.wait(0.001):  # all of those that exist at one moment may have been fetched
                keys = client.keys("*:in:*")
                if keys:
                    client.delete(*keys)

    expiry = threading.Thread(target=expire)
    try:
        return theirs.trial(lambda _: expiry.start(), pictures(400))
    finally:
        over.set()
        if expiry.is_alive():
            expiry.join()


def store_restarted(theirs: Theirs) -> Trial:
    """SIGKILL of the payload store, which comes back empty"""

    def restart(_: Celery) -> None:
        os.kill(theirs.broker.processes.pids["store"], signal.SIGKILL)
        theirs.broker.wait_for_end("store")
        theirs.broker.start_store()

    return theirs.trial(restart, pictures())


def store_gone(theirs: Theirs) -> Trial:
    """SIGKILL of the payload store, which stays away"""

    def end(_: Celery) -> None:
        os.kill(theirs.broker.processes.pids["store"], signal.SIGKILL)
        theirs.broker.wait_for_end("store")

    try:
        return theirs.trial(end, pictures(2000))
    finally:
        theirs.broker.start_store()


def store_full(theirs: Theirs) -> Trial:
    """A payload store whose memory is full"""
    assert theirs.store is not None

    def limit(bytes_: int) -> None:
        with connect(theirs.store, 5.0) as client:
            client.config_set("maxmemory", bytes_ and client.info("memory")["used_memory"] + bytes_)

    try:
        return theirs.trial(lambda _: limit(100_000), pictures(2000))
    finally:
        limit(0)


def foreign_messages(theirs: Theirs) -> Trial:
    """Messages of others in the queue: not JSON, not Celery's, a pickle, an unknown task, another version"""

    def send(strategy: Celery) -> None:
        queue = strategy._fleet.run_id
        with theirs.broker.client() as client:
            client.rpush(queue, *(json.dumps(message) for message in foreign(queue)), b"\x80 no JSON {")

    return theirs.trial(send, naps(60))


def foreign(queue: str) -> Iterator[Any]:
    """Yield messages that somebody else may write into a queue."""
    yield {"nothing": "of Celery's"}
    yield from ([], "text", None)
    for content_type, encoding, body, name in (
        ("application/x-python-serialize", "base64", "gASVCAAAAAAAAACMBG9zLnOULg==", "breakeven.diagnostics"),
        ("application/json", "base64", "W1tdLCB7fSwge31d", "no.such.task"),
        ("application/json", "base64", "W1tdLCB7InZlcnNpb24iOiAwfSwge31d", "breakeven.diagnostics"),
        ("application/json", "base64", "bm8gSlNPTg==", "breakeven.diagnostics"),
    ):
        yield {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {"id": f"stranger-{name}-{encoding}", "task": name, "lang": "py"},
            "properties": {
                "body_encoding": encoding,
                "delivery_info": {"exchange": queue, "routing_key": queue},
                "delivery_tag": f"stranger-{len(body)}",
            },
        }


def foreign_results(theirs: Theirs) -> Trial:
    """Results of others on the run's channels: not JSON, of no task, in another shape"""

    def publish(strategy: Celery) -> None:
        prefix = f"celery-task-meta-{strategy._prefix}"
        with theirs.broker.client() as client:
            for text in (
                b"\x00\xff",
                b"{}",
                b"[]",
                b'"text"',
                b'{"status": "SUCCESS", "task_id": "x", "result": 1}',
            ):
                client.publish(f"{prefix}0-0", text)

    return theirs.trial(publish)
