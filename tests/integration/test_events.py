"""Task events are switched on and off on a running fleet, and restored after the run."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator

import pytest
import redis

from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet, start_broker
from orchestrator.fleet.external import external_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.celery import Celery
from worker.contract import Task
from worker.settings import Settings

NOOPS = [Task(i, "diagnostics", "noop", "") for i in range(4)]
SLEEPS = [Task(i, "diagnostics", "sleep", "0.001") for i in range(4)]


@pytest.fixture(scope="module")
def sending() -> Iterator[Fleet]:
    """A fleet whose workers send task events."""
    with ChildProcesses() as processes, embedded_fleet(processes, 2, events=True, origins=()) as fleet:
        fleet.measure_clock_offsets()
        yield fleet


def sends(fleet: Fleet) -> set[bool]:
    """Whether its workers send task events, as they say now."""
    return {member.events for member in workers.find(fleet.app, 5.0, expected=len(fleet.workers))}


def run(strategy: Celery, batch: list[Task]) -> None:
    strategy.prepare(batch)
    assert all(outcome.failure is None for outcome in strategy.run(batch))


def received(heard: redis.client.PubSub, until: str) -> list[str]:
    """Return the kernels of the tasks in the workers' events, up to the fourth event with kernel `until`."""
    kernels: list[str] = []
    while kernels.count(until) < 4:
        message = heard.get_message(timeout=10)
        assert message is not None, kernels
        if message["type"] != "pmessage":
            continue
        body = json.loads(message["data"])
        events = json.loads(b64decode(body["body"]))
        for event in events if isinstance(events, list) else [events]:
            if event["type"] == "task-received":
                kernels.append(event["args"].split(",")[0])
    return kernels


def test_a_cell_without_events_sends_none_and_one_with_events_sends_them(sending):
    with sending.client() as client, client.pubsub() as heard:
        heard.psubscribe("*celeryev*task*")
        with (
            Celery(2, sending, "redis", 1, "local", "off") as without,
            Celery(2, sending, "redis", 1, "local", "on") as with_events,
        ):
            run(with_events, SLEEPS)
            assert "sleep" in received(heard, until="sleep")
            run(without, NOOPS)
            run(with_events, SLEEPS)
            assert set(received(heard, until="sleep")) == {"sleep"}


def test_events_that_are_off_stay_off_when_flower_enables_them(sending):
    sending.switch_events(False)
    assert sends(sending) == {False}
    answers = sending.app.control.enable_events(reply=True, timeout=5, limit=2)
    assert len(answers) == 2
    assert sends(sending) == {False}
    sending.switch_events(True)
    assert sends(sending) == {True}


def test_celery_s_own_command_has_no_effect_on_workers_that_were_started_with_events(sending):
    """The reason for our own command: if this test fails, Celery's is enough."""
    assert len(sending.app.control.disable_events(reply=True, timeout=5, limit=2)) == 2
    assert sends(sending) == {True}


def test_a_run_restores_the_events_of_external_workers(sending):
    with external_fleet(sending.settings) as other:
        other.measure_clock_offsets()
        other.switch_events(False)
        assert sends(sending) == {False}
    assert sends(sending) == {True}


def test_workers_that_sent_only_heartbeats_can_send_events():
    """Workers started by hand: `celery -A worker.app worker`."""
    with ChildProcesses() as processes:
        url = start_broker(processes)
        command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "--concurrency", "1"]
        processes.start("worker1", command, {"BREAKEVEN_BROKER_URL": url})
        with external_fleet(Settings(broker_url=url)) as other, other.client() as client:
            other.measure_clock_offsets()
            assert sends(other) == {False}
            with client.pubsub() as heard, Celery(1, other, "redis", 1, "local", "on") as strategy:
                heard.psubscribe("*celeryev*task*")
                run(strategy, SLEEPS)
                assert received(heard, until="sleep") == ["sleep"] * 4


def test_workers_that_cannot_send_events_are_named_with_the_remedy(fleet: Fleet):
    assert sends(fleet) == {False}
    with pytest.raises(UnavailableError, match=r"cannot switch its task events.*--task-events"):
        fleet.switch_events(True)
    fleet.switch_events(False)


def test_a_run_measures_cells_with_and_without_events_and_reports_their_cost(tmp_path):
    command = [sys.executable, "-m", "orchestrator", "run", "--events", "on", "--events", "off"]
    small = ["--images", "3", "--size", "32x24", "--rounds", "7", "--warmup", "0", "--slots", "1"]
    chosen = ["--stage", "decode", "--kernel", "asarray", "--chunk", "1"]
    done = subprocess.run(
        [*command, *small, *chosen, "--strategy", "celery", "--strategy", "serial", "--table"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results").glob("*.json")
    cells = [cell for cell in json.loads(path.read_text())["cells"] if not cell["replica"]]
    events = {(cell["strategy"], cell["events"]) for cell in cells}
    assert events == {("serial", None), ("celery", "off"), ("celery", "on")}
    said = "task events cost Celery with asarray (redis, chunk 1) "
    assert said in " ".join(done.stdout.split())
    assert said in path.with_suffix(".html").read_text()
