"""A Celery batch against a broker of the test's own: what is published, in which order, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from orchestrator.model.flow_control import BURST_AFTER_PER_SLOT, BURST_MESSAGES, MAX_IN_FLIGHT_BYTES
from orchestrator.strategies.celery.batch import Batch
from worker.contract import Task
from worker.messages import TaskMessage, TaskReply, TaskResult
from worker.payloads.transport import Reference


class Broker:
    """Stands for the connection and all its parts: keeps what is published, and answers what the test lets it."""

    transport_name = "redis"
    serializer: ClassVar[str] = "json"
    copies = 2
    resident = False
    transport = payload_io = publisher = results = fleet = property(lambda self: self)

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.bursts: list[list[TaskMessage]] = []
        self.answering = True

    def store(self, key: str, chunk: Sequence[Task]) -> list[Reference]:
        return [{"key": f"{key}:in:{task.id}", "size": self.size, "shape": None} for task in chunk]

    @contextmanager
    def burst(self) -> Iterator[Callable[[], None]]:
        self.bursts.append([])
        yield lambda: None

    def add(self, name: str, task_id: str, message: dict[str, Any], serializer: str, summary: str) -> None:
        self.bursts[-1].append(TaskMessage(**message))

    def receive(
        self, awaited: Collection[str], timeout_s: float, on_look_up: object
    ) -> Iterator[tuple[str, Any]]:
        for message in [*self.published] if self.answering else []:
            if message.key in awaited:
                results = [TaskResult(id_, None, None, 1.0, 0, 0, 0, 0, 2.0) for id_, _ in message.tasks]
                yield (
                    message.key,
                    {"status": "SUCCESS", "result": TaskReply("w", "w:1", results).as_result()},
                )

    def take(self, results: Sequence[TaskResult]) -> dict[int, Any]:
        return {}

    def offset_of(self, worker: str) -> None:
        return None

    @property
    def published(self) -> list[TaskMessage]:
        return [message for burst in self.bursts for message in burst]


class NoCleanup:
    def delete_if_many(self) -> None:
        pass

    def answered(self, id_: str, references: object, reply: object) -> None:
        pass


def batch(broker: Broker, count: int, chunk: int, slots: int = 1) -> Batch:
    tasks = [Task(number, "grayscale", "numpy", "") for number in range(count)]
    return Batch(broker, NoCleanup(), "breakeven-1-0", slots, tasks, chunk, print)  # type: ignore[arg-type]  # stand-ins


def ids(messages: Sequence[TaskMessage]) -> list[list[int]]:
    return [[id_ for id_, _ in message.tasks] for message in messages]


@pytest.mark.parametrize(
    ("count", "chunk", "expected"), [(5, 2, [[0, 1], [2, 3], [4]]), (4, 4, [[0, 1, 2, 3]]), (0, 3, [])]
)
def test_a_batch_is_cut_into_chunks_that_are_published_once_each(
    count: int, chunk: int, expected: list[list[int]]
) -> None:
    broker = Broker()
    found = [outcome for outcomes in batch(broker, count, chunk).run() for outcome in outcomes]
    assert ids(broker.published) == expected
    assert [(outcome.task_id, outcome.status) for outcome in found] == [
        (number, "ok") for number in range(count)
    ]


def test_a_chunk_that_the_broker_never_received_is_published_again_last_and_once() -> None:
    broker = Broker()
    running = batch(broker, 3, 1)
    running._publish()
    assert [task.id for task in running.unfinished] == [0, 1, 2]
    running.unpublished.append(running._remove("breakeven-1-0-0").start)
    assert [task.id for task in running.unfinished] == [1, 2, 0]
    found = [outcome for outcomes in running.run() for outcome in outcomes]
    assert sorted(outcome.task_id for outcome in found) == [0, 1, 2]
    assert ids(broker.published) == [[0], [1], [2], [0]]


def test_messages_are_published_one_by_one_until_every_slot_has_work_and_in_bursts_afterwards() -> None:
    broker = Broker()
    running = batch(broker, 100, 1, slots=2)
    while running.unpublished:
        running._publish()
    singles = [1] * (BURST_AFTER_PER_SLOT * 2)
    assert [len(burst) for burst in broker.bursts] == [
        *singles,
        BURST_MESSAGES,
        100 - len(singles) - BURST_MESSAGES,
    ]


def test_no_more_payload_bytes_are_in_flight_than_the_window_holds_and_one_message() -> None:
    broker = Broker(size=MAX_IN_FLIGHT_BYTES // 2 + 1)
    running = batch(broker, 10, 1)
    while running._publish():
        pass
    assert ids(broker.published) == [[0], [1]]


def test_what_a_batch_asked_of_each_station_is_summed_over_its_messages() -> None:
    broker = Broker(size=10)
    running = batch(broker, 5, 2)
    list(running.run())
    assert (running.messages, running.slot_s, running.payload_bytes) == (3, 5.0, 100)
