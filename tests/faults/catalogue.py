"""The faults that befall a batch, each on a real broker and real workers, and what may become of it.

A new fault is one function and one entry in `FAULTS`; the tests and docs/reliability.md are made from that.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.strategies.celery import Celery
from tests.faults import dying
from tests.faults.proxy import Proxy
from tests.faults.trial import Trial, Work, naps, pictures, trial
from tests.faults.world import OwnBroker, World, embedded, own_broker, slot_process
from tests.waiting import until
from worker.contract import Task
from worker.payloads.redis import connect


@dataclass(frozen=True)
class Theirs:
    """A broker and workers that somebody else runs; `port` is where the orchestrator and the workers see it."""

    broker: OwnBroker
    workers: int
    proxy: Proxy | None = None
    store: str | None = None

    def trial(self, fault: Callable[[Celery], object], work: Work | None = None, after: int = 5) -> Trial:
        """Hurt a batch on a fleet of its own, and see what is left at the broker when that is put away."""
        port = self.proxy.port if self.proxy else None
        others = {} if self.store is None else {"payload_url": self.store}
        with self.broker.fleet(self.workers, port, **others) as fleet:
            made = trial(fleet, fault, work, after)
        return replace(made, left=tuple(self.broker.leftovers()))

    def kill(self, name: str) -> None:
        """End a worker at once."""
        os.kill(self.broker.processes.pids[name], signal.SIGKILL)


@contextmanager
def ours() -> Iterator[World]:
    """Two embedded workers, as a run without --broker has them."""
    with embedded(2) as world:
        yield world


@contextmanager
def theirs(names: str = "ab", limit_s: str = "120", **options: str) -> Iterator[Theirs]:
    """Workers of one slot each on a broker of their own, of which a batch uses two."""
    with own_broker(**options) as broker:
        for name in names:
            broker.start_worker(name, None, BREAKEVEN_TASK_TIME_LIMIT_S=limit_s)
        yield Theirs(broker, len(names))


@contextmanager
def with_a_spare() -> Iterator[Theirs]:
    """Three workers, of which a batch uses two."""
    with theirs("abc") as place:
        yield place


@contextmanager
def impatient() -> Iterator[Theirs]:
    """Workers that end a task after a second."""
    with theirs("ab", limit_s="1") as place:
        yield place


@contextmanager
def with_one_that_dies() -> Iterator[Theirs]:
    """Two workers, of which one's slot process dies after an answer where it is told to."""
    with own_broker() as broker:
        broker.start_worker("a")
        broker.start_worker("b", include=dying.__name__, **{dying.TOLD_BY: str(told_to_die(broker))})
        yield Theirs(broker, 2)


def told_to_die(broker: OwnBroker) -> Path:
    """The file that tells it to."""
    return broker.processes.folder / "die"


@contextmanager
def behind_a_line() -> Iterator[Theirs]:
    """Workers and an orchestrator that reach the broker through one line."""
    with own_broker() as broker, Proxy(broker.port) as proxy:
        for name in "ab":
            broker.start_worker(name, proxy.port)
        yield Theirs(broker, 2, proxy)


@contextmanager
def with_a_store() -> Iterator[Theirs]:
    """Workers whose payloads lie in a Redis of their own."""
    with own_broker() as broker:
        store = broker.start_store()
        for name in "ab":
            broker.start_worker(name, None, BREAKEVEN_PAYLOAD_URL=store)
        yield Theirs(broker, 2, store=store)


def slot_killed(world: World) -> Trial:
    """SIGKILL of the process that does a worker's tasks"""
    return world.trial(lambda _: os.kill(slot_process(world.pid("worker1")), signal.SIGKILL))


def slot_killed_after_answering(place: Theirs) -> Trial:
    """SIGKILL of a slot process that has answered, before its worker knows"""
    return place.trial(lambda _: told_to_die(place.broker).touch())


def worker_killed(world: World) -> Trial:
    """SIGKILL of an embedded worker"""
    return world.trial(lambda _: world.kill("worker1"))


def all_workers_killed(world: World) -> Trial:
    """SIGKILL of all embedded workers"""
    return world.trial(lambda _: [world.kill(name) for name in ("worker1", "worker2")])


def worker_stopped(world: World) -> Trial:
    """SIGSTOP of a worker for 5 s"""

    def stop(_: Celery) -> None:
        world.pause(slot_process(world.pid("worker1")), 5.0)
        world.pause(world.pid("worker1"), 5.0)

    return world.trial(stop)


def worker_drained(world: World) -> Trial:
    """SIGTERM of a worker: it ends what it has begun"""
    return world.trial(lambda _: os.kill(world.pid("worker1"), signal.SIGTERM))


def poison(world: World) -> Trial:
    """A task that kills its process each time"""
    work = naps(20)
    tasks = [*work.tasks[:10], Task(99, "diagnostics", "die", ""), *work.tasks[10:]]
    return world.trial(lambda _: None, Work(tasks, {**work.expected, 99: ""}))


def spare_takes_over(place: Theirs) -> Trial:
    """SIGKILL of a worker that stays away, with a spare one"""
    made = place.trial(lambda _: place.kill("a"))
    place.broker.wait_for_end("a")
    place.broker.processes.restart("a")
    return made


def worker_restarts(place: Theirs) -> Trial:
    """SIGKILL of a worker that its host starts again, with none to spare"""
    return place.trial(lambda _: place.broker.restart_worker("a"))


def worker_joins(place: Theirs) -> Trial:
    """A worker that joins while a batch runs"""

    def join(_: Celery) -> None:
        place.broker.start_worker("late")

    made = place.trial(join, naps(200))
    place.broker.end_worker("late")
    return made


def workers_gone(place: Theirs) -> Trial:
    """SIGKILL of all workers, which stay away"""
    made = place.trial(lambda _: [place.kill(name) for name in "ab"])
    for name in "ab":
        place.broker.wait_for_end(name)
        place.broker.processes.restart(name)
    return made


def over_the_limit(place: Theirs) -> Trial:
    """A task that takes longer than it may"""
    work = naps(20)
    tasks = [*work.tasks[:10], Task(99, "diagnostics", "sleep", "60"), *work.tasks[10:]]
    return place.trial(lambda _: None, Work(tasks, {**work.expected, 99: "60"}))


def broker_restarted(place: Theirs) -> Trial:
    """SIGKILL of the broker, which comes back empty"""
    return place.trial(lambda _: place.broker.restart())


def broker_stopped(place: Theirs) -> Trial:
    """SIGSTOP of the broker for 10 s"""
    return place.trial(lambda _: World.pause(place.broker.processes.pids["broker"], 10.0))


def line_cut(place: Theirs) -> Trial:
    """Every connection to the broker cut"""
    assert place.proxy is not None
    return place.trial(lambda _: place.proxy.cut())


def line_silent(place: Theirs) -> Trial:
    """Connections that are open and pass nothing; after 5 s new ones do"""
    assert place.proxy is not None
    proxy = place.proxy

    def silence(_: Celery) -> None:
        proxy.silence()
        proxy.restore_after(5.0)

    return place.trial(silence)


def out_of_memory(place: Theirs) -> Trial:
    """A broker whose memory is full, under noeviction"""

    def fill(_: Celery) -> None:
        with place.broker.client() as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)

    try:
        return place.trial(fill, pictures(200), after=2)
    finally:
        with place.broker.client() as client:
            client.config_set("maxmemory", 0)


def result_gone(place: Theirs) -> Trial:
    """A result that expires before it is heard"""

    def expire(strategy: Celery) -> None:
        strategy._way.results._pubsub.connection._sock.shutdown(2)
        with place.broker.client() as client:
            until(lambda: not (client.llen(strategy._fleet.run_id) or client.hlen("unacked")))
            client.delete(*client.keys("celery-task-meta-*"))

    return place.trial(expire)


def payloads_gone(place: Theirs) -> Trial:
    """Payloads that expire before they are fetched"""

    over = threading.Event()

    def expire() -> None:
        with place.broker.client() as client:
            while not over.wait(0.001):  # those that are there just now may all have been fetched
                keys = client.keys("*:in:*")
                if keys:
                    client.delete(*keys)

    expiry = threading.Thread(target=expire)
    try:
        return place.trial(lambda _: expiry.start(), pictures(400))
    finally:
        over.set()
        if expiry.is_alive():
            expiry.join()


def store_restarted(place: Theirs) -> Trial:
    """SIGKILL of the payload store, which comes back empty"""

    def restart(_: Celery) -> None:
        os.kill(place.broker.processes.pids["store"], signal.SIGKILL)
        place.broker.wait_for_end("store")
        place.broker.start_store()

    return place.trial(restart, pictures())


def store_gone(place: Theirs) -> Trial:
    """SIGKILL of the payload store, which stays away"""

    def end(_: Celery) -> None:
        os.kill(place.broker.processes.pids["store"], signal.SIGKILL)
        place.broker.wait_for_end("store")

    try:
        return place.trial(end, pictures(2000))
    finally:
        place.broker.start_store()


def store_full(place: Theirs) -> Trial:
    """A payload store whose memory is full"""
    assert place.store is not None

    def limit(bytes_: int) -> None:
        with connect(place.store, 5.0) as client:
            client.config_set("maxmemory", bytes_ and client.info("memory")["used_memory"] + bytes_)

    try:
        return place.trial(lambda _: limit(100_000), pictures(2000))
    finally:
        limit(0)


def foreign_messages(place: Theirs) -> Trial:
    """Messages of others in the queue: not JSON, not Celery's, a pickle, an unknown task, another version"""

    def send(strategy: Celery) -> None:
        queue = strategy._fleet.run_id
        with place.broker.client() as client:
            client.rpush(queue, *(json.dumps(message) for message in foreign(queue)), b"\x80 no JSON {")

    return place.trial(send, naps(60))


def foreign(queue: str) -> Iterator[Any]:
    """What a stranger may write into a queue."""
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


def foreign_results(place: Theirs) -> Trial:
    """Results of others on the run's channels: not JSON, of no task, in another shape"""

    def publish(strategy: Celery) -> None:
        prefix = f"celery-task-meta-{strategy._prefix}"
        with place.broker.client() as client:
            for text in (
                b"\x00\xff",
                b"{}",
                b"[]",
                b'"text"',
                b'{"status": "SUCCESS", "task_id": "x", "result": 1}',
            ):
                client.publish(f"{prefix}0-0", text)

    return place.trial(publish)


@dataclass(frozen=True)
class Fault:
    """What happens, where, and what may become of it: the exit code, whether tasks may be lost or done twice.

    `says` is what the user is told, as a pattern; an empty one means that nothing is disturbed.
    """

    happen: Callable[[Any], Trial]
    place: Callable[[], AbstractContextManager[Any]]
    says: str
    exit_code: int = 0
    loses: bool = False
    repeats: bool = False
    quick: bool = True

    @property
    def name(self) -> str:
        """The fault in words."""
        return str(self.happen.__doc__)


FAULTS: tuple[Fault, ...] = (
    # Between taking a message and noting that it did, a worker holds it alone: kombu's BRPOP, then `unacked`.
    # One that is killed just then takes the message with it, which no setting of Celery's helps.
    Fault(slot_killed, ours, "slot process"),
    Fault(slot_killed_after_answering, with_one_that_dies, "slot process"),
    Fault(worker_killed, ours, "worker1 ended with code -9, and was started anew", loses=True),
    Fault(all_workers_killed, ours, "ended with code -9, and was started anew", loses=True, quick=False),
    Fault(worker_stopped, ours, "gave no answer|given a second time", repeats=True, quick=False),
    Fault(worker_drained, ours, "gave no answer|ended with code 0", quick=False),
    Fault(poison, ours, "slot process", exit_code=1, quick=False),
    Fault(worker_restarts, theirs, "a@world (was started anew|gave no answer)", loses=True, quick=False),
    Fault(worker_joins, theirs, "", quick=False),
    Fault(foreign_messages, theirs, ""),
    Fault(foreign_results, theirs, "", quick=False),
    Fault(result_gone, theirs, "broke", exit_code=1, loses=True, quick=False),
    Fault(payloads_gone, theirs, "could not be fetched: no payload under", exit_code=1),
    Fault(out_of_memory, theirs, "out of memory.* raise its maxmemory", 3, loses=True, quick=False),
    Fault(
        broker_restarted, theirs, "a connection to the broker .* broke", exit_code=1, loses=True, repeats=True
    ),
    Fault(broker_stopped, theirs, "took|broke", repeats=True),
    Fault(workers_gone, theirs, "did not come back within 30 s.*start it again", 3, loses=True, quick=False),
    Fault(spare_takes_over, with_a_spare, "a@world gave no answer", loses=True, repeats=True, quick=False),
    Fault(store_restarted, with_a_store, "broke|could not be", 1, loses=True, repeats=True, quick=False),
    Fault(store_gone, with_a_store, "did not come back within 30 s", 3, loses=True, quick=False),
    Fault(
        store_full,
        with_a_store,
        "payload store .* is out of memory.*raise its maxmemory",
        3,
        loses=True,
        quick=False,
    ),
    Fault(over_the_limit, impatient, "TimeLimitExceeded", exit_code=1, quick=False),
    Fault(
        line_cut,
        behind_a_line,
        "a connection to the broker .* broke",
        loses=True,
        repeats=True,
        quick=False,
    ),
    Fault(line_silent, behind_a_line, "broke|took|gave no answer", loses=True, repeats=True, quick=False),
)
