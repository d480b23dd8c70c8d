"""`gate` as users meet it: two checkouts of a project, measured in turn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from orchestrator import results
from tests.command_line import orchestrator

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
JOBS = """
def work(x):
    total = 0
    for step in range({steps}):
        total += step * x
    return total

def wrong(x):
    return x

def wide(x):
    return bytes(2 * {steps})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for side, steps in (("base", 10_000), ("head", 30_000)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "gated.py").write_text(JOBS.format(steps=steps))
    return tmp_path


def command_of(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestrator", "gate", *arguments]


def gate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = ("--base", "base", "--head", "head", *arguments)
    return subprocess.run(
        command_of(*given),
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_slower_head_exits_1_and_both_results_are_saved(folder: Path) -> None:
    few = ("--strategy", "serial", "--rounds", "20", "--budget", "10", "--format", "json")
    done = gate(folder, "--function", "gated:work", "--inputs", "range(20)", *few)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    (row,) = document["rows"]
    assert (document["regression"], row["change"], row["strategy"]) == (True, "regression", "serial")
    assert 2 < row["ratio"]["point"] < 4
    runs = [results.read(path) for path in (folder / "results").glob("*.json")]
    assert [run.command for run in runs] == ["gate", "gate"]
    assert len({run.plan.images for run in runs}) == 1


def test_celery_is_judged_where_outputs_of_head_no_longer_fit_into_a_message(folder: Path) -> None:
    few = ("--rounds", "2", "--budget", "10", "--format", "json")
    done = gate(folder, "--function", "gated:wide", "--inputs", "range(20)", *few)
    rows = json.loads(done.stdout)["rows"]
    assert [(row["strategy"], row["transport"]) for row in rows] == [("serial", None), ("celery", "inline")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--function", "gated:work", "--inputs", "-"), "save it to a file first"),
        (("--function", "gated:none", "--inputs", "range(3)"), "base ("),
        (("--function", "gated:work", "--inputs", "range(3)", "--format", "pdf"), "choose from terminal"),
        (
            ("--function", "gated:work", "--inputs", "range(3)", "--head", "nowhere"),
            "--head nowhere is not a",
        ),
        (("--function", "gated:work", "--inputs", "none.txt"), "none.txt"),
    ],
)
def test_a_mistake_gets_one_line_and_exits_2(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    done = orchestrator("gate", "--base", "base", "--head", "head", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_interrupted_gate_ends_both_sides_and_exits_130(folder: Path) -> None:
    given = ("--function", "gated:work", "--inputs", "range(8)", "--strategy", "serial", "--rounds", "4000")
    started = subprocess.Popen(
        command_of("--base", "base", "--head", "base", *given),
        cwd=folder,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    deadline = time.monotonic() + 60
    for line in started.stderr:
        if " samples" in line or time.monotonic() > deadline:
            break
    children = psutil.Process(started.pid).children(recursive=True)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    assert len(children) >= 2
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
