"""Faults in whole runs: the exit code, the messages, what was saved, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.faults.fleets import OwnBroker, own_broker
from tests.waiting import until

ROUNDS = ["--rounds", "400", "--warmup", "0", "--strategy", "celery"]
SMALL = ["--images", "4", "--size", "32x24", "--latency-ms", "0", "--slots", "1", "--stage", "decode"]
RUN = ["run", *SMALL]
LOAD = ["load", "--stage", "spin", "--kernel", "waiting", "--slots", "1", "--arrivals", "constant"]
START_S = 90.0  # seconds in which a run has a sample, beside other tests
END_S = 60.0


@pytest.fixture(scope="module")
def broker() -> Iterator[OwnBroker]:
    """A broker with one worker, for all runs of this file."""
    with own_broker() as made:
        made.start_worker("a")
        with made.fleet(1):
            pass
        yield made


class Started:
    """A running orchestrator with its output in files, so that it never waits for a reader."""

    def __init__(self, folder: Path, *arguments: str, command: Sequence[str] = RUN) -> None:
        self.folder = folder
        self._errors = folder / f"errors-{time.monotonic_ns()}"
        with self._errors.open("wb") as errors, (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *command, *arguments],
                cwd=folder,
                env={**os.environ, "BREAKEVEN_PROGRESS_S": "0.1"},
                stdout=output,
                stderr=errors,
            )

    def wait_for_a_sample(self) -> None:
        """Wait until a result has been saved."""
        until(lambda: self.results() or self.process.poll() is not None, "a result", START_S)
        assert self.process.poll() is None, self.errors

    def end(self) -> int:
        """Return the exit code; a run that does not end in time is killed, and fails the test."""
        try:
            return self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the run did not end within {END_S:.0f} s: {self.errors}") from None

    @property
    def errors(self) -> str:
        """Its standard error."""
        return self._errors.read_text()

    @property
    def output(self) -> str:
        """Its standard output."""
        return (self.folder / "output").read_text()

    def results(self) -> list[Path]:
        """Its result files."""
        return list((self.folder / "results").glob("2*.json"))

    def result(self) -> dict:
        """The result that it saved."""
        (path,) = self.results()
        return json.loads(path.read_text())

    def children(self) -> list[psutil.Process]:
        """All of its descendants."""
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture(autouse=True)
def private() -> Iterator[Path]:
    """The folder for the runs' private folders: apart from others', and short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="runs-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_with_its_embedded_workers(tmp_path, private, number):
    run = Started(tmp_path, *ROUNDS)
    run.wait_for_a_sample()
    family = run.children()
    run.process.send_signal(number)
    assert run.end() == 130
    assert "Traceback" not in run.errors
    assert run.result()["complete"] is False
    until(lambda: not list(private.iterdir()))
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing_on_an_external_broker(
    broker: OwnBroker, tmp_path, private, number, monkeypatch
):
    monkeypatch.setenv("BREAKEVEN_PAYLOAD_DIR", broker.settings().payload_dir)
    files = ("--transport", "files", "--data", "resident", "--data", "local")
    run = Started(tmp_path, *ROUNDS, *files, "--broker", broker.url())
    run.wait_for_a_sample()
    family = run.children()
    run.process.send_signal(number)
    assert run.end() == (130 if number != signal.SIGKILL else -number)
    assert "Traceback" not in run.errors
    assert run.result()["complete"] is False
    until(lambda: not broker.leftovers())
    until(lambda: not list(private.iterdir()))
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_a_second_run_on_a_broker_is_refused_and_the_first_goes_on(broker: OwnBroker, tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first = Started(tmp_path / "first", *ROUNDS, "--broker", broker.url())
    first.wait_for_a_sample()
    second = Started(tmp_path / "second", *ROUNDS, "--broker", broker.url())
    assert second.end() == 3
    assert "another run uses the broker" in second.errors
    assert f"process {first.process.pid} on" in second.errors
    assert broker.password not in second.errors
    assert first.process.poll() is None
    first.process.send_signal(signal.SIGINT)
    assert first.end() == 130
    third = Started(tmp_path / "second", *ROUNDS, "--rounds", "1", "--broker", broker.url())
    assert third.end() == 0, third.errors


def test_an_interrupt_while_the_fleet_is_being_started_ends_the_run(tmp_path, private):
    run = Started(tmp_path, *ROUNDS)
    until(lambda: list(private.glob("breakeven-*")))
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 130
    assert "Traceback" not in run.errors
    until(lambda: not list(private.iterdir()))


def test_an_embedded_worker_that_dies_is_reported_and_the_run_is_complete(tmp_path):
    run = Started(tmp_path, *ROUNDS, "--rounds", "60")
    run.wait_for_a_sample()
    workers = [each for each in run.children() if "slot1@" in " ".join(each.cmdline())]
    min(workers, key=lambda each: each.create_time()).kill()  # the other one is its slot process
    code = run.end()
    cells = run.result()["cells"]
    disturbed = [sample for cell in cells for sample in cell["samples"] if sample["disturbed"]]
    assert disturbed
    assert code == (1 if any(sample["lost"] for sample in disturbed) else 0), run.errors
    for cell in cells:
        rounds = [sample["round"] for sample in cell["samples"] if not sample["disturbed"]]
        assert rounds == list(range(60))
    assert "disturbed" in run.output


def test_an_embedded_broker_that_dies_ends_the_run_with_3_and_what_was_measured_is_saved(tmp_path):
    run = Started(tmp_path, *ROUNDS)
    run.wait_for_a_sample()
    (server,) = [each for each in run.children() if "broker.sock" in " ".join(each.cmdline())]
    server.kill()
    assert run.end() == 3
    assert "the embedded broker ended with code -9" in run.errors
    assert "Traceback" not in run.errors
    assert run.result()["complete"] is False


def test_eviction_that_is_switched_on_during_a_run_is_named_and_ends_it_with_3(broker: OwnBroker, tmp_path):
    run = Started(tmp_path, *ROUNDS, "--broker", broker.url())
    run.wait_for_a_sample()
    with broker.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert run.end() == 3
    finally:
        with broker.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
    assert "has maxmemory-policy allkeys-lru, which deletes queued tasks" in run.errors
    assert "set it with 'CONFIG SET maxmemory-policy noeviction'" in run.errors
    assert run.result()["complete"] is False


def test_a_broker_that_restarts_under_load_costs_its_own_sample_alone(broker: OwnBroker, tmp_path):
    # A task takes most of the time until the next one arrives, so the broker holds one when it ends.
    paced = ["--rate", "10", "--work-ms", "80", "--duration", "5", "--rounds", "2", "--strategy", "celery"]
    run = Started(tmp_path, *paced, "--broker", broker.url(), command=LOAD)
    run.wait_for_a_sample()
    told = len(run.errors)
    until(lambda: "celery at 10/s, 2 s: latency" in run.errors[told:], "the second sample")
    broker.restart()
    code = run.end()
    assert code in (0, 1, 3), run.errors
    assert "Traceback" not in run.errors
    result = run.result()
    (cell,) = result["cells"]
    calm, hit = cell["samples"]
    assert (calm["disturbed"], calm["ok"], calm["lost"]) == (None, 50, 0)
    assert hit["disturbed"]
    assert code != 0 or not hit["lost"]
    ended = {number for number, at_us in enumerate(hit["trace"]["ended_us"]) if at_us is not None}
    assert ended.isdisjoint(hit["trace"]["lost"])
    (row,) = result["load"]
    assert row["offered"] == 100 == row["ended"] + row["lost"] + row["unfinished"]
    assert row["latency_s"]["p50"]["point"] >= 0.08
    until(lambda: not broker.leftovers())


@pytest.mark.parametrize("files", [24, 40], ids=["for the broker", "for its clients"])
def test_too_few_files_for_the_embedded_broker_are_named_in_one_line(tmp_path, files):
    """Valkey keeps 32 files for itself, and takes as many clients as it may open files besides."""
    limited = f"ulimit -n {files}; exec {sys.executable} -m orchestrator run {' '.join(SMALL)}"
    done = subprocess.run(
        ["bash", "-c", f"{limited} --strategy celery"],  # noqa: S607 - any bash will do
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=END_S,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1].startswith("orchestrator: this shell may open too few files")
    assert "'ulimit -n 1024'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_disk_that_fills_up_keeps_the_last_result_and_the_report_and_ends_with_3(tmp_path):
    """A limit on the size of files simulates the full disk: the result file outgrows it during the run."""
    limited = f"ulimit -f 16; exec {sys.executable} -m orchestrator run {' '.join(SMALL)}"
    done = subprocess.run(
        ["bash", "-c", f"{limited} --strategy serial --rounds 200 --warmup 0"],  # noqa: S607 - any bash will do
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=END_S,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "free some space there, or choose another --output" in done.stderr
    assert "Traceback" not in done.stderr
    assert "serial" in done.stdout
    assert [path.name for path in (tmp_path / "results").glob(".*")] == []
