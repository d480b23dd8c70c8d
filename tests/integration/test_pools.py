"""Celery's pools solo and threads, whose workers end no task by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.measurement.preflight import preflight
from orchestrator.model.runs import Pool
from orchestrator.strategies.celery import Celery
from tests.conformance import batch, check
from worker.contract import Task

LIMIT_S = 5
BUSY = "4.5"  # seconds: within the limit, and longer than a worker that is not busy may be silent


@pytest.fixture(scope="module")
def pools() -> Iterator[Fleet]:
    with pytest.MonkeyPatch.context() as patch, ChildProcesses() as processes:
        patch.setenv("BREAKEVEN_TASK_TIME_LIMIT_S", str(LIMIT_S))
        more: list[tuple[Pool, int]] = [("solo", 1), ("solo", 1), ("threads", 2)]
        with embedded_fleet(processes, 0, False, (), more) as fleet:
            fleet.measure_clock_offsets()
            yield fleet


def celery(fleet: Fleet, pool: Pool) -> Celery:
    return Celery(2, fleet, "redis", 1, "local", pool=pool)


def test_an_empty_task_is_timed_on_a_fleet_without_a_prefork_worker(pools: Fleet) -> None:
    assert preflight(pools).noop_task_s


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_every_pool_gives_the_reference_outputs_on_the_slots_it_has(pools: Fleet, pool: Pool) -> None:
    with celery(pools, pool) as strategy:
        check(strategy, batch("grayscale", "numpy", 12))
        naps = [Task(number, "diagnostics", "sleep", "0.02") for number in range(12)]
        strategy.prepare(naps)
        slots = {str(outcome.slot) for outcome in strategy.run(naps)}
    assert len(slots) == 2
    processes = {":".join(slot.split(":")[:2]) for slot in slots}
    assert len(processes) == (1 if pool == "threads" else 2)


def test_a_solo_worker_that_is_silent_because_it_works_is_not_taken_for_dead(pools: Fleet) -> None:
    tasks = [Task(0, "diagnostics", "sleep", BUSY)]
    with celery(pools, "solo") as strategy:
        strategy.prepare(tasks)
        (outcome,) = strategy.run(tasks)
        assert (outcome.status, strategy.disturbance()) == ("ok", None)


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_task_past_its_deadline_is_lost_and_its_worker_started_again(pools: Fleet, pool: Pool) -> None:
    tasks = [Task(0, "diagnostics", "sleep", "60"), *batch("grayscale", "numpy", 4, first_id=1)]
    with celery(pools, pool) as strategy:
        strategy.prepare(tasks)
        outcomes = {outcome.task_id: outcome for outcome in strategy.run(tasks)}
        assert [outcomes[number].status for number in range(5)] == ["lost", "ok", "ok", "ok", "ok"]
        said = f"longer than {LIMIT_S} s, which pool {pool} cannot end, so its worker was started again"
        assert said in str(outcomes[0].failure)
        assert said in str(strategy.disturbance())
        check(strategy, batch("grayscale", "numpy", 12, first_id=100))
