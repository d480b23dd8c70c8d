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

JOBS = """
def work(x):
    total = 0
    for step in range({steps}):
        total += step * x
    return total

def wrong(x):
    return x
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
    given = ("--function", "gated:work", "--inputs", "range(8)", "--strategy", "serial", "--rounds", "4000")
    started = subprocess.Popen(
        command_of("--base", "base", "--head", "base", *given),
        cwd=folder,
        env=environment,
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
