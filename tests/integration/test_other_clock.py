"""A worker with another clock: in a time namespace one day ahead, so that the true offset is known."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import start_broker
from orchestrator.fleet.external import external_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.celery import Celery
from tests.command_line import orchestrator
from tests.security.secured import start_worker
from worker.contract import Task
from worker.settings import Settings

DAY_S = 86_400
AHEAD = ["unshare", "--fork", "--time", "--monotonic", str(DAY_S)]


def allowed() -> bool:
    """Return whether time namespaces can be made here: that needs root and Linux 5.6."""
    return (
        shutil.which("unshare") is not None and subprocess.run([*AHEAD, "true"], check=False).returncode == 0
    )


pytestmark = pytest.mark.skipif(not allowed(), reason="no time namespace may be made here")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[ChildProcesses, str]]:
    with ChildProcesses() as processes:
        url = start_broker(processes)
        start_worker(processes, "ahead", prefix=AHEAD, BREAKEVEN_BROKER_URL=url)
        yield processes, url


@pytest.fixture
def fleet(elsewhere: tuple[ChildProcesses, str]) -> Iterator[Fleet]:
    with external_fleet(Settings(broker_url=elsewhere[1])) as fleet:
        fleet.measure_clock_offsets()
        yield fleet


def test_the_offset_is_found_to_within_its_bound(fleet: Fleet):
    offset = fleet.offset_of("ahead@test")
    assert 0 < offset.bound_s < 1
    assert abs(offset.offset_s - DAY_S) <= offset.bound_s


def test_hops_are_corrected_for_the_offset_and_add_up(fleet: Fleet):
    with Celery(1, fleet, "redis", 1, "local") as strategy:
        tasks = [Task(number, "diagnostics", "noop", "x") for number in range(5)]
        strategy.prepare(tasks)
        hops = [outcome.hops for outcome in strategy.run(tasks)]
    bound = fleet.offset_of("ahead@test").bound_s
    for each in hops:
        assert each.clock_bound_s == bound
        assert -bound <= each.queue_s <= each.latency_s + bound
        assert -bound <= each.return_s <= each.latency_s + bound
        between = each.fetch_s + each.compute_s + each.store_s
        assert each.publish_s + each.queue_s + between + each.return_s <= each.latency_s + 1e-6


def test_doctor_shows_the_offset_with_its_bound(elsewhere: tuple[ChildProcesses, str], tmp_path):
    checked = orchestrator("doctor", "--broker", elsewhere[1], cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    (line,) = [line for line in checked.stdout.splitlines() if "worker ahead@test" in line]
    assert "clock +86" in line
    assert " s within 0." in line
