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


def test_the_second_wait_is_short_and_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one wait in full, the run does not wait as long again for the same workers."""
    times = iter(range(0, 10_000, 5))
    monkeypatch.setattr(recovery.time, "monotonic", lambda: float(next(times)))
    monkeypatch.setattr(recovery.workers, "find", lambda *_, **__: WORKERS[:1])
    fleet = Fleet(Celery(broker=BROKER), Settings(broker_url=BROKER), Broker("redis", "8", False), WORKERS)
    fleet.require_recovery()
    errors = []
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            fleet.use_slots(2)
        errors.append(str(caught.value))
    assert "did not come back within 30 s: 1 of 2 slots are left; start it again" in errors[0]
    assert "did not come back within 2 s: 1 of 2 slots are left; start it again" in errors[1]
