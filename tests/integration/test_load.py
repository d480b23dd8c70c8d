"""`load` as users meet it, with a real broker and worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.measurement.clock import SamplePosition
from orchestrator.measurement.open_loop import OpenLoop, arrival_times_s
from orchestrator.strategies.celery import Celery
from tests.command_line import orchestrator
from tests.conformance import batch
from tests.integration.test_cli import left_behind, only_result, orchestrator_process
from worker.stages import STAGES

__all__ = ["left_behind"]  # a fixture

WORK = ["--stage", "spin", "--kernel", "waiting", "--work-ms", "5", "--slots", "1"]
SHORT = ["--rate", "20,40", "--duration", "1", "--rounds", "1", *WORK, "--arrivals", "constant"]


@pytest.mark.usefixtures("left_behind")
def test_load_measures_a_queue_and_a_pool_at_every_rate(tmp_path: Path) -> None:
    done = orchestrator_process(
        "load", *SHORT, "--strategy", "celery", "--strategy", "threads", "--objective", "p50=30", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    rows = only_result(tmp_path)["load"]
    assert {(row["strategy"], row["rate_per_s"]) for row in rows} == {
        (strategy, rate) for strategy in ("celery", "threads") for rate in (20.0, 40.0)
    }
    for row in rows:
        assert row["offered"] == row["ended"]
        assert row["latency_s"]["p50"]["point"] > 0.005
        assert row["promise_kept"] is True
    assert {"publish", "queue", "compute"} <= {name for row in rows for name in row["parts_s"]}
    (path,) = (tmp_path / "results").glob("*.json")
    again = orchestrator("report", str(path), "--format", "csv", cwd=tmp_path)
    traces = [sample["trace"] for cell in json.loads(path.read_text())["cells"] for sample in cell["samples"]]
    assert len(again.stdout.splitlines()) == 1 + sum(len(trace["planned_us"]) for trace in traces)


def test_a_rate_that_cannot_be_sent_is_refused_with_the_rate_that_can(tmp_path: Path) -> None:
    rate = ["--rate", "90000", "--duration", "1", "--rounds", "1", "--stage", "decode"]
    done = orchestrator("load", *rate, "--strategy", "processes", "--arrivals", "constant", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a sample, and at most 97,786 are kept" in done.stderr
    rate[1] = "30000"
    done = orchestrator("load", *rate, "--strategy", "celery", "--arrivals", "constant", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--rate 30000 cannot be sent from here: a burst to celery" in done.stderr


def test_every_task_of_an_open_loop_has_hops_that_add_up_to_less_than_its_latency(fleet) -> None:
    stage, kernel = "grayscale", "numpy"
    tasks = batch(stage, kernel, 5)
    expected = {task.id: STAGES[stage].reference(task.payload) for task in tasks}
    planned_s = arrival_times_s("constant", 40.0, 1.0, (1,))
    with Celery(1, fleet, "redis", 1, "local") as celery:
        loop = OpenLoop(celery, tasks, expected, planned_s, 1.0)
        sample, failures = loop.measure(SamplePosition(0, 0, 0.0))
    assert (failures, sample.ok, sample.lost, sample.wrong) == ((), 40, 0, 0)
    for number, at in enumerate(planned_s):
        assert loop.hops[number].latency_s <= loop.ended_s[number] - at + 1e-6
