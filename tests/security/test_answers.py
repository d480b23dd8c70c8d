"""Hostile answers: what a peer says in a worker's name is refused by that name, and never ends in a traceback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
from kombu import pidbox

from orchestrator.errors import UnavailableError
from orchestrator.fleet import clock_offset, consumers
from orchestrator.fleet import workers as fleet_workers
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.liveness import Liveness
from orchestrator.fleet.workers import WorkerInfo
from orchestrator.strategies.celery import Celery
from tests.security.wire import Workers, envelope, task_body, task_id
from tests.waiting import until
from worker.app import make_app
from worker.contract import Task
from worker.messages import VERSION

EVIL = "evil@host"
DESCRIPTION: dict[str, Any] = {
    "version": VERSION,
    "host": "host",
    "pid": 1,
    "slots": 1,
    "usable_cpus": 1.0,
    "python": "3.13",
    "clock": "another",
    "payload_dir": None,
    "events": False,
}
INFO = WorkerInfo(EVIL, 1, 1.0, "3.13", "another", None, False)


@contextmanager
def answering(fleet: Fleet, command: str, answer: Any) -> Iterator[None]:
    """Stand in for a worker that gives one answer to one command."""
    app = make_app(fleet.settings)
    stopping, listening = threading.Event(), threading.Event()

    def listen() -> None:
        with app.connection_for_read() as connection:
            node = pidbox.Node(EVIL, channel=connection.channel(), mailbox=app.control.mailbox(connection))
            node.handlers[command] = lambda state, **arguments: answer
            node.listen()
            while not stopping.is_set():
                try:
                    connection.drain_events(timeout=0.1)
                except TimeoutError:
                    listening.set()

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        assert listening.wait(10)
        yield
    finally:
        stopping.set()
        thread.join()
        app.close()


@pytest.mark.parametrize(
    "change",
    [
        {"slots": None},
        {"slots": "x"},
        {"slots": 0},
        {"slots": 10**9},
        {"usable_cpus": "x"},
        {"usable_cpus": -1.0},
        {"python": {"x": 1}},
        {"python": "x" * 5000},
        {"clock": 7},
        {"payload_dir": ["x"]},
        {"events": "x"},
        {"version": ["x"]},
        {"version": "x" * 10_000},
        {"pool": ["x"]},
    ],
    ids=str,
)
def test_a_description_that_is_not_valid_is_refused_by_the_worker_s_name(
    workers: Workers, change: dict[str, Any]
) -> None:
    with (
        answering(workers.fleet, "breakeven_describe", {**DESCRIPTION, **change}),
        pytest.raises(UnavailableError, match=f"worker {EVIL}") as caught,
    ):
        fleet_workers.find(workers.fleet.app, 2.0, 3)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_a_description_without_slots_is_refused_by_the_worker_s_name(workers: Workers) -> None:
    without = {name: value for name, value in DESCRIPTION.items() if name != "slots"}
    with (
        answering(workers.fleet, "breakeven_describe", without),
        pytest.raises(UnavailableError, match=f"worker {EVIL} gave no valid answer .*slots"),
    ):
        fleet_workers.find(workers.fleet.app, 2.0, 3)


@pytest.mark.parametrize("answer", ["x", 7, ["x"], {"queues": "breakeven"}, {"version": 1, "queues": 7}])
def test_an_answer_of_another_form_is_another_project_s(workers: Workers, answer: Any) -> None:
    with answering(workers.fleet, "breakeven_describe", answer):
        found = fleet_workers.find(workers.fleet.app, 2.0, 2)
    assert sorted(worker.name for worker in found) == sorted(workers.names)


@pytest.mark.parametrize(
    "answer", [{"monotonic_s": "x"}, {"monotonic_s": None}, {}, "x", {"monotonic_s": 1e300}]
)
def test_a_clock_that_is_not_a_number_is_refused_by_the_worker_s_name(workers: Workers, answer: Any) -> None:
    with (
        answering(workers.fleet, "breakeven_clock", answer),
        pytest.raises(UnavailableError, match=f"worker {EVIL} gave no valid answer"),
    ):
        clock_offset.measure_offset(workers.fleet.app, INFO, 5.0)


@pytest.mark.parametrize("answer", ["x", 7, {"ok": 1}, [7], [["name"]], [{"name": 7}], [{}], {"error": "x"}])
def test_junk_instead_of_active_queues_is_refused_by_the_worker_s_name(workers: Workers, answer: Any) -> None:
    consuming = consumers.Consumers(workers.fleet.app, workers.fleet.run_id)
    with (
        answering(workers.fleet, "active_queues", answer),
        pytest.raises(UnavailableError, match=f"worker {EVIL} gave no valid answer"),
    ):
        consuming.assign(set(workers.names), [*workers.names, EVIL])


@pytest.mark.parametrize("answer", ["x", 7, [], {"events": "x"}, {"events": 7}])
def test_junk_instead_of_an_event_setting_is_refused_by_the_worker_s_name(
    workers: Workers, answer: Any
) -> None:
    with (
        answering(workers.fleet, "breakeven_events", answer),
        pytest.raises(UnavailableError, match=f"worker {EVIL}"),
    ):
        consumers.TaskEvents(workers.fleet.app).switch([INFO], True)


@pytest.mark.parametrize("answer", ["x", {}, {"pid": "x", "slots": [], "tasks": []}, {"pid": 1, "slots": 7}])
def test_a_worker_whose_sign_of_life_is_not_valid_gives_none(workers: Workers, answer: Any) -> None:
    liveness = Liveness(workers.fleet.app)
    with answering(workers.fleet, "breakeven_present", answer):
        liveness.track([*workers.names, EVIL])
    assert liveness.any_answered
    assert liveness.active_tasks == set()


@pytest.mark.parametrize(
    "entry",
    [
        b"[" * 100_000,
        b"x",
        b"7",
        b"[]",
        b"[1, 2]",
        b'[{"headers": 7}, 1, "%RUN%"]',
        b'[[], {}, "%RUN%"]',
        b"\xff",
    ],
    ids=lambda entry: repr(entry[:20]),
)
def test_a_broken_entry_among_the_fetched_messages_is_passed_over(workers: Workers, entry: bytes) -> None:
    fleet, id_ = workers.fleet, task_id(workers.fleet)
    whole = envelope(fleet, id_, task_body(id_)).decode()
    good = f'[{whole}, "{fleet.run_id}", "{fleet.run_id}"]'
    with fleet.client() as client:
        client.hset(
            "unacked", mapping={b"t\xff": entry.replace(b"%RUN%", fleet.run_id.encode()), "good": good}
        )
        try:
            assert dict(fleet.run_queue.snapshot().fetched) == {id_: "good"}
        finally:
            client.delete("unacked")


def _publish(fleet: Fleet, id_: str, result: bytes) -> None:
    with fleet.client() as client:
        client.publish(f"celery-task-meta-{id_}", result)


def _meta(id_: str, result: Any, status: str = "SUCCESS") -> bytes:
    packed: bytes = msgpack.packb({"status": status, "result": result, "task_id": id_})
    return packed


def _fetched(strategy: Celery, fleet: Fleet) -> str:
    """Wait until a worker has fetched the strategy's only message, and return its id."""
    found: list[str] = []
    until(
        lambda: (
            found.extend(each for each in fleet.run_queue.snapshot().fetched if strategy._prefix in each)
            or found
        )
    )
    return found[0]


def test_a_result_of_millions_of_keys_is_refused_before_it_is_parsed(workers: Workers) -> None:
    fleet = workers.fleet
    keys = b"".join(msgpack.packb(f"{number}") + b"\xc0" for number in range(4_900_000))
    result = msgpack.packb("result") + b"\xdf" + (4_900_000).to_bytes(4, "big") + keys
    with Celery(2, fleet, "redis", 1, "local") as strategy:

        def attack() -> None:
            id_ = _fetched(strategy, fleet)
            head = msgpack.packb({"status": "SUCCESS", "task_id": id_})[1:]
            _publish(fleet, id_, b"\x83" + head + result)

        thread = threading.Thread(target=attack)
        thread.start()
        outcomes = list(strategy.run([Task(0, "diagnostics", "sleep", "3")]))
        thread.join()
    assert [outcome.status for outcome in outcomes] == ["failed"]
    assert outcomes[0].failure is not None
    assert outcomes[0].failure.type == "OversizedMessageError"
    assert "more than 2,000,000 values" in outcomes[0].failure.message


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\xc1",
        b"x",
        b"\x91" * 5000,
        b"[" * 5000,
        msgpack.packb({"status": "SUCCESS"}),
        msgpack.packb({"status": ["SUCCESS"], "result": {}, "task_id": "%ID%"}),
        msgpack.packb({"status": "SUCCESS", "result": {}, "task_id": "breakeven-another"}),
        msgpack.packb({"status": "PENDING", "result": {}, "task_id": "%ID%"}),
    ],
    ids=lambda junk: repr(junk[:20]),
)
def test_what_is_not_a_result_is_passed_over(workers: Workers, junk: bytes) -> None:
    fleet = workers.fleet
    with Celery(2, fleet, "redis", 1, "local") as strategy:
        tasks = [Task(number, "diagnostics", "sleep", "0.05") for number in range(8)]
        running = strategy.run(tasks)
        outcomes = [next(running)]
        for number in range(8):
            _publish(fleet, f"{strategy._prefix}1-{number}", junk)
        outcomes += running
    assert [outcome.status for outcome in outcomes] == ["ok"] * 8


def test_an_exception_in_a_result_is_named_and_not_built(workers: Workers) -> None:
    """Celery builds it from any class of any module that is loaded, with the sender's arguments."""
    fleet = workers.fleet
    exception = {"exc_type": "\x1b[31mSystemExit", "exc_message": [7, "a\nb"], "exc_module": "builtins"}
    with Celery(1, fleet, "redis", 1, "local") as strategy:
        running = strategy.run([Task(0, "diagnostics", "sleep", "3")])

        def attack() -> None:
            while not (
                ids := [each for each in fleet.run_queue.snapshot().fetched if strategy._prefix in each]
            ):
                pass
            _publish(fleet, ids[0], _meta(ids[0], exception, "FAILURE"))

        thread = threading.Thread(target=attack)
        thread.start()
        (outcome,) = running
        thread.join()
    assert outcome.failure is not None
    assert outcome.failure.type == r"\x1b[31mSystemExit"
    assert outcome.failure.message.endswith(r"7 a\nb")
