"""Waiting for workers that were lost, and what the error says about the wait."""

from __future__ import annotations

import pytest
from celery import Celery

from orchestrator.errors import UnavailableError
from orchestrator.fleet import recovery
from orchestrator.fleet.consumers import Consumers
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.liveness import Liveness
from orchestrator.fleet.workers import WorkerInfo
from orchestrator.model.environment import Broker
from orchestrator.model.runs import Pool
from worker.settings import Settings

BROKER = "redis://broker:6379/0"
WORKERS = [WorkerInfo(f"w{number}@here", 1, 1.0, "3.13", None, None, events=False) for number in (1, 2)]


def test_one_loss_is_waited_for_once_and_the_error_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one wait in full, the run looks once more for the same workers, and does not wait again."""
    now = [0.0]
    monkeypatch.setattr(recovery.time, "monotonic", lambda: now[0])

    def find(_: object, timeout_s: float, expected: int) -> list[WorkerInfo]:
        now[0] += timeout_s
        return WORKERS[: expected - 1]

    monkeypatch.setattr(recovery.workers, "find", find)
    fleet = Fleet(Celery(broker=BROKER), Settings(broker_url=BROKER), Broker("redis", "8", False), WORKERS)
    fleet.require_recovery()
    ended_at = []
    for _ in range(2):
        with pytest.raises(
            UnavailableError, match="did not come back within 30 s: 1 of 2 slots are left; start it"
        ):
            fleet.use_slots(2)
        ended_at.append(now[0])
    assert ended_at == [30.0, 32.0]


def worker(name: str, slots: int, pool: Pool = "prefork") -> WorkerInfo:
    return WorkerInfo(name, slots, 1.0, "3.13", None, None, events=False, pool=pool)


def without_a_broker(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Let a fleet send no command; return the list of the workers that each choice of slots takes."""
    assigned: list[set[str]] = []
    monkeypatch.setattr(Fleet, "measure_clock_offsets", lambda _: None)
    monkeypatch.setattr(Liveness, "track", lambda *_: None)
    monkeypatch.setattr(Consumers, "reset", lambda *_: None)
    monkeypatch.setattr(Consumers, "assign", lambda _, chosen, __: assigned.append(chosen))
    return assigned


@pytest.mark.parametrize(
    ("lost", "stays", "slots", "pool"),
    [
        (worker("prefork@h", 2), worker("threads@h", 2, "threads"), 2, "prefork"),
        (worker("threads@h", 2, "threads"), worker("prefork@h", 2), 2, "threads"),
        (worker("two@h", 2), worker("four@h", 4), 2, "prefork"),
    ],
    ids=["its pool", "its pool, which is not the default", "its number of slots"],
)
def test_a_run_waits_for_the_worker_that_the_next_batch_needs(
    monkeypatch: pytest.MonkeyPatch, lost: WorkerInfo, stays: WorkerInfo, slots: int, pool: Pool
) -> None:
    """Another worker that answers has as many slots, but not those of the row."""
    searches = iter([[stays], [stays], [stays, lost]])
    monkeypatch.setattr(recovery.workers, "find", lambda *_: next(searches))
    assigned = without_a_broker(monkeypatch)
    fleet = Fleet(
        Celery(broker=BROKER), Settings(broker_url=BROKER), Broker("redis", "8", False), [lost, stays]
    )
    fleet.require_recovery()
    fleet.use_slots(slots, pool)
    assert assigned == [{lost.name}]


@pytest.mark.parametrize(
    ("left", "pool", "lacks"),
    [
        (worker("prefork@h", 2), "threads", "0 of 2 slots are left in pool threads; start it"),
        (worker("four@h", 4), "prefork", "no workers that are left add up to 2 slots; start it"),
    ],
)
def test_the_error_after_the_wait_says_what_the_next_batch_lacks(
    monkeypatch: pytest.MonkeyPatch, left: WorkerInfo, pool: Pool, lacks: str
) -> None:
    now = [0.0]
    monkeypatch.setattr(recovery.time, "monotonic", lambda: now[0])

    def find(_: object, timeout_s: float, expected: int | None) -> list[WorkerInfo]:
        now[0] += timeout_s
        return [left]

    monkeypatch.setattr(recovery.workers, "find", find)
    known = [worker("lost@h", 2, pool), left]
    fleet = Fleet(Celery(broker=BROKER), Settings(broker_url=BROKER), Broker("redis", "8", False), known)
    fleet.require_recovery()
    with pytest.raises(UnavailableError, match=lacks):
        fleet.use_slots(2, pool)


def test_workers_beyond_the_number_before_are_heard_when_those_before_do_not_suffice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A search for one worker ends with the first answer, whichever worker it is from."""
    expected: list[int | None] = []

    def find(_: object, __: float, limit: int | None) -> list[WorkerInfo]:
        expected.append(limit)
        return WORKERS[:limit]

    monkeypatch.setattr(recovery.workers, "find", find)
    without_a_broker(monkeypatch)
    fleet = Fleet(
        Celery(broker=BROKER), Settings(broker_url=BROKER), Broker("redis", "8", False), WORKERS[:1]
    )
    fleet.require_recovery()
    fleet.use_slots(2)
    assert expected == [1, None]
