"""Waiting for workers that were lost, and what the error says about the wait."""

from __future__ import annotations

import pytest
from celery import Celery

from orchestrator.errors import UnavailableError
from orchestrator.fleet import recovery
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.workers import WorkerInfo
from orchestrator.model.environment import Broker
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
