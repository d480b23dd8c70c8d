"""Fleets: started, found, kept apart and closed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet import clock_offset, external, workers
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet, start_broker, start_workers
from orchestrator.fleet.external import external_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.celery import Celery
from worker.contract import Task
from worker.settings import Settings

NOOPS = [Task(i, "diagnostics", "noop", "") for i in range(4)]

ORPHAN = """
import sys
from orchestrator.fleet.embedded import embedded_fleet, start_broker, start_workers
from orchestrator.fleet.child_processes import ChildProcesses
with ChildProcesses() as processes, embedded_fleet(processes, 1, False, ()) as fleet:
    print(processes.folder, flush=True)
    sys.stdin.read()
"""


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_sigkill_of_the_orchestrator_ends_everything_and_removes_its_folder():
    child = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    folder = Path(child.stdout.readline().strip())
    family = descendants(child.pid)
    assert len(family) >= 3  # supervisor, broker, worker and its slot
    assert folder.is_dir()
    child.kill()
    child.wait()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert (alive, folder.exists()) == ([], False)
    child.stdin.close()
    child.stdout.close()


def test_sigkill_of_the_supervisor_ends_its_children():
    with ChildProcesses() as processes:
        url = start_broker(processes)
        start_workers(processes, url, [("prefork", 1)], False, ())
        (supervisor,) = [
            child
            for child in psutil.Process().children()
            if str(processes.folder) in " ".join(child.cmdline())
        ]
        family = supervisor.children(recursive=True)
        assert len(family) >= 2
        supervisor.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=5)
        assert alive == []
        with pytest.raises(UnavailableError, match="supervisor"):
            processes.start("late", ["true"])
    assert not processes.folder.exists()


def test_a_broker_that_is_killed_while_it_starts_is_named(monkeypatch: pytest.MonkeyPatch):
    with ChildProcesses() as processes:
        start = processes.start

        def start_and_kill(name: str, argv: list[str]) -> None:
            start(name, argv)
            psutil.Process(processes.pids[name]).kill()

        monkeypatch.setattr(processes, "start", start_and_kill)
        with pytest.raises(UnavailableError, match="the embedded broker ended with code -9"):
            start_broker(processes)


def test_two_embedded_fleets_share_nothing(fleet: Fleet):
    with ChildProcesses() as processes, embedded_fleet(processes, 1, False, ()) as other:
        assert {fleet.run_id, other.run_id} == {fleet.run_id} | {other.run_id}
        assert fleet.settings.broker_url != other.settings.broker_url
        with Celery(1, other, "redis", 1, "local") as strategy:
            strategy.prepare(NOOPS)
            slots = {outcome.slot for outcome in strategy.run(NOOPS)}
        theirs = {str(child.pid) for child in descendants(processes.pids["worker1"])}
        assert {slot.rpartition(":")[2] for slot in slots} <= theirs


def test_two_runs_on_one_broker_share_nothing(fleet: Fleet):
    """Each run on an external fleet has its own queue, task ids and keys."""
    with external_fleet(fleet.settings) as other:
        other.measure_clock_offsets()
        with (
            Celery(2, fleet, "redis", 1, "local") as ours,
            Celery(2, other, "redis", 1, "local") as theirs,
        ):
            ours.prepare(NOOPS)
            theirs.prepare(NOOPS)
            mixed = list(zip(ours.run(NOOPS), theirs.run(NOOPS), strict=True))
        assert len(mixed) == len(NOOPS)
        assert ours.duplicated == theirs.duplicated == 0
        run_id = other.run_id.encode()
    with fleet.client() as client:
        assert [key for key in client.keys("*") if run_id in key] == []
        assert [
            member
            for key in client.keys("_kombu.binding*")
            if client.type(key) == b"set"
            for member in client.smembers(key)
            if run_id in member
        ] == []


def test_an_external_fleet_finds_the_workers_and_leaves_them_as_they_were(fleet: Fleet):
    before = fleet.app.control.inspect(timeout=5).active_queues()
    with external_fleet(fleet.settings) as other:
        assert sorted(member.name for member in other.workers) == sorted(m.name for m in fleet.workers)
        other.use_slots(1)
    after = fleet.app.control.inspect(timeout=5).active_queues()
    names = lambda answer: {w: sorted(q["name"] for q in queues) for w, queues in answer.items()}  # noqa: E731
    assert names(after) == names(before)


def test_a_missing_broker_is_named_with_the_remedy():
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1.*cannot be reached.*--broker"):
        external.inspect_broker(Settings(broker_url="redis://127.0.0.1:1/0"), embedded=False)


def test_a_broker_url_shows_no_password():
    with pytest.raises(UnavailableError) as caught:
        external.inspect_broker(Settings(broker_url="redis://:hush@127.0.0.1:1/0"), embedded=False)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://host/", "redis://", "redis://host:port/0", "amqp://host"]
)
def test_a_url_that_is_not_a_redis_is_a_usage_error(url):
    with pytest.raises(UsageError, match="write redis://host:6379/0"):
        external.inspect_broker(Settings(broker_url=url), embedded=False)


def test_a_broker_that_evicts_is_refused(fleet: Fleet):
    with fleet.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(
                UnavailableError, match=r"allkeys-lru.*CONFIG SET maxmemory-policy noeviction"
            ):
                external.inspect_broker(fleet.settings, embedded=False)
        finally:
            client.config_set("maxmemory-policy", "noeviction")


def test_a_broker_with_no_workers_says_how_to_start_one(monkeypatch):
    monkeypatch.setattr(external, "FIND_S", 0.5)
    with ChildProcesses() as processes:
        url = start_broker(processes)
        with (
            pytest.raises(
                UnavailableError,
                match=r"no worker of Breakeven's answered.*--broker embedded.*celery -A worker.app",
            ),
            external_fleet(Settings(broker_url=url)),
        ):
            pass


def test_the_broker_listens_on_no_port_and_its_folder_is_private(fleet: Fleet, processes: ChildProcesses):
    broker = psutil.Process(processes.pids["broker"])
    assert [c for c in broker.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN] == []
    assert processes.folder.stat().st_mode & 0o777 == 0o700


def test_the_clock_offset_of_a_worker_on_this_machine_is_0_and_the_estimate_agrees(fleet: Fleet):
    (name, *_) = [member.name for member in fleet.workers]
    exact = fleet.offset_of(name)

    def ask() -> float:
        return workers.ask(fleet.app, "breakeven_clock", [name], 5.0)[name]["monotonic_s"]

    estimated = clock_offset.estimate_offset(ask)
    assert exact == workers.Offset(0.0, clock_offset.SAME_CLOCK_BOUND_S)
    assert abs(estimated.offset_s - exact.offset_s) <= estimated.bound_s
