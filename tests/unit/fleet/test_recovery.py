"""Workers that were lost: how long they are waited for, and what is said of that."""

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
MEMBERS = [WorkerInfo(f"w{number}@here", 1, 1.0, "3.13", None, None, events=False) for number in (1, 2)]


def test_a_second_wait_in_vain_says_how_short_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first, whose patience is long, nobody waits so long for the same workers again."""
    times = iter(range(0, 10_000, 5))
    monkeypatch.setattr(recovery.time, "monotonic", lambda: float(next(times)))
    monkeypatch.setattr(recovery.workers, "find", lambda *_, **__: MEMBERS[:1])
    fleet = Fleet(Celery(broker=BROKER), Settings(broker_url=BROKER), Broker("redis", "8", False), MEMBERS)
    fleet.require_recovery()
    said = []
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            fleet.use_slots(2)
        said.append(str(caught.value))
    assert "did not come back within 30 s: 1 of 2 slots are left; start it again" in said[0]
    assert "did not come back within 2 s: 1 of 2 slots are left; start it again" in said[1]
