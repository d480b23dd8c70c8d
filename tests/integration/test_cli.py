"""The command line as users meet it: what it prints, the files it leaves, and how it exits."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from orchestrator.commands import execute
from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.synthetic import encode, photograph
from orchestrator.planning.options import Options
from orchestrator.strategies import STRATEGIES
from orchestrator.strategies.serial import Serial
from tests.command_line import orchestrator
from tests.waiting import until

FEW = ["--images", "3", "--rounds", "1", "--warmup", "0", "--slots", "2"]
SMALL = [*FEW, "--size", "32x24", "--latency-ms", "0"]


def orchestrator_process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as `tests.command_line` does, in a process of its own."""
    command = [sys.executable, "-m", "orchestrator", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def only_result(folder: Path) -> dict:
    (path,) = (folder / "results").glob("*.json")
    return json.loads(path.read_text())


@pytest.fixture
def left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Fails if a test leaves a process or anything in its folder for temporary files; `tmp_path` is made before."""

    def children() -> set[int]:
        return {child.pid for child in psutil.Process().children(recursive=True)}

    before = children()
    with tempfile.TemporaryDirectory(prefix="be-") as folder:  # a short path: sockets lie in there
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield
        assert (children() - before, [entry.name for entry in Path(folder).iterdir()]) == (set(), [])


def test_a_sweep_of_the_work_chooses_its_lengths_and_measures_again_near_the_crossing(tmp_path):
    few = ["--images", "8", "--rounds", "6", "--warmup", "0", "--kernel", "waiting"]
    strategies = ["--strategy", "serial", "--strategy", "threads"]
    done = orchestrator("breakeven", "--axis", "work", *few, *strategies, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = only_result(tmp_path)
    (overhead,) = result["preflight"]["overheads"]
    threads = [cell for cell in result["cells"] if cell["strategy"] == "threads" and not cell["replica"]]
    lengths = sorted(cell["work_s"] for cell in threads)
    assert lengths[0] <= overhead["task_s"] <= lengths[-1]
    assert sorted(cell["work_s"] for cell in result["cells"] if cell["strategy"] == "serial") == lengths
    (found,) = result["granularity"]
    again = [cell for cell in threads if len(cell["samples"]) > 6]
    assert len(again) in ((2,) if found["work_s"] else (0,))
    assert "threads on 2 slots" in done.stdout


@pytest.mark.usefixtures("left_behind")
def test_run_compares_everything_and_exits_0(tmp_path):
    done = orchestrator_process("run", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = only_result(tmp_path)
    assert result["complete"] is True
    usual = {name for name, kind in STRATEGIES.items() if kind.in_default_run}
    assert {cell["strategy"] for cell in result["cells"]} == usual
    assert all(cell["verified"] for cell in result["cells"])
    for stage in ("download", "decode", "grayscale", "pipeline"):
        assert f"\n{stage} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout + done.stderr
    assert "result: results/" in done.stderr


def test_json_to_stdout_is_the_result_and_nothing_else(tmp_path):
    done = orchestrator(
        "run", *SMALL, "--strategy", "serial", "--stage", "decode", "--json", "-", cwd=tmp_path
    )
    assert json.loads(done.stdout) == only_result(tmp_path)


def test_report_renders_a_saved_result_in_every_format(tmp_path):
    run = orchestrator("run", *SMALL, "--strategy", "serial", "--json", "r.json", cwd=tmp_path)
    assert orchestrator("report", "r.json", cwd=tmp_path).stdout == run.stdout
    assert (
        "| session | serial | 1 |"
        in orchestrator("report", "r.json", "--format", "markdown", cwd=tmp_path).stdout
    )
    lines = orchestrator("report", "r.json", "--format", "csv", cwd=tmp_path).stdout.splitlines()
    assert lines[0].startswith("stage,kernel,strategy,slots")
    assert len(lines) == 1 + len(json.loads((tmp_path / "r.json").read_text())["cells"])


def test_a_url_that_fails_is_the_same_failure_in_every_strategy_and_the_run_exits_1(
    tmp_path, origin_url, fleet: Fleet
):
    template = f"{origin_url}/images/{{i}}.jpg"  # the origin has 6
    chosen = ["--images", "7", "--source", template, "--stage", "download"]
    done = orchestrator_process("run", *FEW, *chosen, "--broker", fleet.settings.broker_url, cwd=tmp_path)
    assert done.returncode == 1
    result = only_result(tmp_path)
    failures = {json.dumps(cell["failures"]) for cell in result["cells"]}
    url = template.replace("{i}", "6")
    expected = [{"task": 6, "type": "DownloadError", "message": f"{url} answered 404 Not Found"}]
    assert failures == {json.dumps(expected)}
    assert {(s["ok"], s["failed"], s["wrong"]) for c in result["cells"] for s in c["samples"]} == {(6, 1, 0)}
    assert "answered 404" in " ".join(done.stdout.split())


def test_a_picture_that_does_not_decode_fails_and_the_others_go_on(tmp_path, fleet: Fleet):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(2):
        (folder / f"{i}.jpg").write_bytes(encode(photograph(1, i, 40, 24)))
    (folder / "2.jpg").write_bytes(b"GIF89a, or so it says")
    chosen = ["--images", "5", "--source", str(folder), "--broker", fleet.settings.broker_url]
    done = orchestrator_process("run", *FEW, *chosen, cwd=tmp_path)
    assert done.returncode == 1
    assert f"source {folder} has 3 pictures: each batch has 3 images, not 5\n" in done.stderr
    assert done.stdout.startswith("3 images from")
    cells = only_result(tmp_path)["cells"]
    types = {
        stage: {f["type"] for c in cells if c["stage"] == stage for f in c["failures"]}
        for stage in ("download", "decode", "grayscale", "pipeline")
    }
    assert types == {
        "download": set(),
        "decode": {"DecodeError"},
        "grayscale": set(),
        "pipeline": {"DecodeError"},
    }
    assert len({json.dumps(c["failures"]) for c in cells if c["stage"] in ("decode", "pipeline")}) == 1
    assert all(cell["verified"] for cell in cells)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "--size", "huge"], 2, "WIDTHxHEIGHT"),
        (["run", "--images", "none"], 2, "is not a whole number; see 'orchestrator run --help'"),
        (["run", "--stage", "greyscale"], 2, "did you mean 'grayscale'?"),
        (["run", "--source", "http://example.org/pictures"], 2, "{i}"),
        (["run", "--broker", "amqp://localhost"], 2, "write redis://host:6379/0"),
        (["run", "--output", "/dev/null/results"], 2, "cannot be written to"),
        (["fly"], 2, "No such command"),
        (["run", "--fly"], 2, "No such option"),
        (["report", "none.json"], 2, "No such file"),
        (["report", "none.json", "--format", "pdf"], 2, "choose from terminal, markdown"),
        (["run", "--broker", "redis://127.0.0.1:1/0"], 3, "cannot be reached"),
        (["run", "--source", "no/such/folder"], 3, "no/such/folder"),
        (["run", "--source", "."], 3, "holds no files"),
        (["run", "--source", "http://127.0.0.1:1/{i}.jpg"], 3, "--source"),
        (["doctor", "--broker", "redis://127.0.0.1:1/0"], 3, "cannot be reached"),
    ],
)
@pytest.mark.usefixtures("left_behind")
def test_a_mistake_gets_one_line_and_its_exit_code(tmp_path, arguments, code, words):
    done = orchestrator(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


# The signals share a handler, so one run has workers; tests/faults sends the others to workers as well.
@pytest.mark.parametrize(
    ("number", "strategy"),
    [(signal.SIGINT, "celery"), (signal.SIGTERM, "serial"), (signal.SIGHUP, "serial")],
)
@pytest.mark.usefixtures("left_behind")
def test_an_interrupted_run_saves_what_was_measured_and_exits_130(tmp_path, number, strategy):
    command = [
        sys.executable,
        "-m",
        "orchestrator",
        "run",
        *SMALL,
        "--slots",
        "1",
        "--rounds",
        "1000",
        "--stage",
        "decode",
        "--strategy",
        strategy,
    ]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    results = tmp_path / "results"
    with child:
        until(lambda: child.poll() is not None or list(results.glob("2*.json")), "a result", 90)
        child.send_signal(number)
        _, errors = child.communicate(timeout=30)
    assert child.returncode == 130, errors
    result = only_result(tmp_path)
    assert result["complete"] is False
    assert any(cell["samples"] for cell in result["cells"])
    assert "Traceback" not in errors
    report = orchestrator("report", str(next(results.glob("2*.json"))), cwd=tmp_path)
    assert (report.returncode, "INCOMPLETE" in report.stdout) == (0, True)
    (page,) = results.glob("2*.html")
    assert f"incomplete report: {page.relative_to(tmp_path)}" in errors
    assert "<strong>Incomplete:</strong>" in page.read_text(encoding="utf-8")


def test_a_run_whose_terminal_goes_saves_its_result_and_report(tmp_path):
    command = [
        sys.executable,
        "-m",
        "orchestrator",
        "run",
        *SMALL,
        "--rounds",
        "1000",
        "--strategy",
        "serial",
    ]
    results = tmp_path / "results"
    ours, theirs = os.openpty()
    child = subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    until(lambda: child.poll() is not None or list(results.glob("2*.json")), "a result", 90)
    os.close(ours)
    child.send_signal(signal.SIGHUP)
    assert child.wait(timeout=30) == 130
    assert len(list(results.glob("2*.html"))) == 1


@pytest.mark.parametrize(
    "redirection", [">/dev/full", ">&-", "--json - >/dev/full", "--json - >&-", "| true"]
)
def test_a_run_whose_output_cannot_be_written_is_saved_and_reported_in_one_line(tmp_path, redirection):
    command = [
        sys.executable,
        "-m",
        "orchestrator",
        "run",
        *SMALL,
        "--stage",
        "decode",
        "--strategy",
        "serial",
    ]
    shell = f"set -o pipefail; {shlex.join(command)} {redirection}"
    done = subprocess.run(
        ["/bin/bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3, done.stderr
    *_, result, report, said = done.stderr.splitlines()
    assert only_result(tmp_path)["complete"]
    assert (result[:8], report[:8]) == ("result: ", "report: ")
    assert said.startswith("orchestrator: standard output cannot be written to: ")


@pytest.mark.parametrize("command", ["list", "--help", "--version"])
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_any_command_whose_output_cannot_be_written_ends_with_one_line(tmp_path, command, redirection):
    shell = f"{sys.executable} -m orchestrator {command} {redirection}"
    done = subprocess.run(
        ["/bin/bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1), done.stderr


def test_the_workers_of_an_external_broker_are_used_and_left_running(tmp_path, fleet: Fleet):
    chosen = [
        "--broker",
        fleet.settings.broker_url,
        "--stage",
        "decode",
        "--strategy",
        "celery",
        "--slots",
        "1",
    ]
    done = orchestrator("run", *SMALL, *chosen, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = only_result(tmp_path)
    assert result["environment"]["broker"]["embedded"] is False
    assert {worker["name"] for worker in result["environment"]["workers"]} == {m.name for m in fleet.workers}
    assert {cell["slots"] for cell in result["cells"]} == {1}


class Broken(Serial):
    """Does every task, but one of them wrong."""

    def run(self, tasks):
        for each in super().run(tasks):
            yield each._replace(output=b"wrong") if each.task_id == 1 else each


def test_a_strategy_that_gives_a_wrong_output_ends_the_run_with_1_and_is_named(tmp_path, monkeypatch, capsys):
    broken = replace(STRATEGIES["threads"], implementation=f"{__name__}:Broken")
    monkeypatch.setitem(STRATEGIES, "threads", broken)
    options = Options(
        stages=("decode",),
        kernels=("asarray",),
        strategies=("serial", "threads"),
        images=3,
        size="32x24",
        rounds="2",
        warmup=0,
        latency_ms=0.0,
        output=str(tmp_path / "results"),
    )
    assert execute.run_and_report(options) == 1
    cells = {cell["strategy"]: cell for cell in only_result(tmp_path)["cells"] if not cell["replica"]}
    assert {name: cell["verified"] for name, cell in cells.items()} == {"serial": True, "threads": False}
    assert [sample["wrong"] for sample in cells["threads"]["samples"]] == [1, 1]
    printed = " ".join(capsys.readouterr().out.split())
    assert "invalid: decode, threads, asarray, 2 slots: 2 wrong" in printed


def test_a_stage_without_input_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    done = orchestrator("run", "--source", ".", "--stage", "grayscale", "--strategy", "serial", cwd=tmp_path)
    assert done.returncode == 3
    assert "grayscale has nothing to do: not one picture of . could be decoded; check --source" in done.stderr


def test_an_unwritable_json_file_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = orchestrator("run", "--json", "/proc/none/result.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "--json /proc/none/result.json cannot be written to" in done.stderr
    assert done.stdout == ""
