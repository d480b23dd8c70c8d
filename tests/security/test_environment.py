"""What other programs read of the user's environment changes no run, and reaches no process of ours."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.flower import start_flower
from orchestrator.inputs.image_server import ImageServer
from orchestrator.inputs.provisioning import start_image_server
from tests.faults.fleets import own_broker
from tests.security.foreign_variables import of_all, of_python
from worker.sealed_environment import KEPT, NEEDED, NEEDED_PREFIXES, sealed

FOREIGN = {
    "AWS_SECRET_ACCESS_KEY": "s3cret",
    "HTTP_PROXY": "http://192.0.2.1:1",
}


def test_children_that_are_no_workers_get_a_minimal_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    with ChildProcesses() as processes, embedded_fleet(processes, 1, events=True, origins=()) as fleet:
        start_image_server(processes, ImageServer(images=1, width=32, height=24))
        start_flower(processes, fleet.settings.broker_url, 1)
        names = {name: set(processes._commands[name]["env"]) for name in ("broker", "origin", "flower")}
    for child, given in names.items():
        needed = {name for name in given if name in NEEDED or name.startswith(NEEDED_PREFIXES)}
        own = given - needed
        assert all(name.startswith(("FLOWER_", "BREAKEVEN_BROKER_URL")) for name in own), (child, own)
        assert not own or child == "flower"


OURS = {"PYTHONPATH", "PYTHONSAFEPATH"}  # set to another value, not left out


def test_every_variable_that_the_installed_releases_read_for_themselves_is_left_out() -> None:
    names = of_all()
    assert {
        "CELERY_BROKER_READ_URL",
        "CELERY_WORKER_AUTOSCALE",
        "FLOWER_PORT",
        "LOADER",
        "PYTHONHASHSEED",
    } <= names
    left = sealed(dict.fromkeys(names, "wrong"))
    assert names & left.keys() - KEPT - OURS == set()
    assert [name for name in OURS if left[name] == "wrong"] == []


def wrong_values(url: str, folder: Path) -> dict[str, str]:
    """Every variable with a value that would break a run or send it to `url`; Python's own let it start."""
    for name in ("celery", "redis", "typer", "startup"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported a module of the user')\n")
    python = {
        "PYTHONPATH": str(folder),
        "PYTHONSTARTUP": str(folder / "startup.py"),
        "PYTHONMALLOC": "debug",
        "PYTHONINTMAXSTRDIGITS": "640",
        "PYTHONIOENCODING": "ascii",
        "PYTHONOPTIMIZE": "2",
        "PYTHONWARNINGS": "error",
    }
    wrong = {**dict.fromkeys(of_all(), url), **dict.fromkeys(of_python(), "1"), **python}
    return {name: value for name, value in wrong.items() if name not in KEPT}


def measured(environment: Mapping[str, str], folder: Path, *options: str) -> dict[str, Any]:
    """Return the cells of a run in this environment, each with whether its outputs were right, and its fleet."""
    small = [
        "--images",
        "4",
        "--size",
        "32x24",
        "--rounds",
        "1",
        "--warmup",
        "0",
        "--slots",
        "1",
        "--latency-ms",
        "0",
    ]
    cells = ["--stage", "decode", "--kernel", "asarray", "--strategy", "processes", "--strategy", "celery"]
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "run", *small, *cells, *options, "--json", "-"],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    names = ("stage", "kernel", "strategy", "slots", "transport", "chunk", "data", "verified")
    return {
        "cells": [[cell[name] for name in names] for cell in result["cells"]],
        "broker": result["environment"]["broker"],
        "packages": result["environment"]["packages"],
        "workers": [worker["name"] for worker in result["environment"]["workers"]],
    }


def test_wrong_values_of_all_of_them_change_no_run_and_send_nothing_to_the_redis_that_they_name(
    tmp_path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as watched:
        watched.setblocking(False)
        url = f"redis://127.0.0.1:{watched.getsockname()[1]}/0"
        path = {"PATH": os.environ["PATH"]}
        polluted = measured({**path, **wrong_values(url, tmp_path)}, tmp_path / "polluted", "--flower")
        with pytest.raises(BlockingIOError):
            watched.accept()
    assert all(verified for *_, verified in polluted["cells"])
    assert polluted == measured(path, tmp_path / "empty")  # as under `env -i PATH=$PATH`


WORKER_OF_ANOTHER_PROJECT = {
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "CELERY_WORKER_AUTOSCALE": "4,2",
    "CELERY_LOADER": "shop.loader",
    "LOADER": "shop.loader",
}


def test_a_worker_started_with_celery_refuses_variables_that_would_change_it_by_name() -> None:
    """Celery has read its options from them by then, so they cannot be left out."""
    given = {
        name: WORKER_OF_ANOTHER_PROJECT[name] for name in ("CELERY_BROKER_URL", "CELERY_WORKER_AUTOSCALE")
    }
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker.app", "worker"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "breakeven: CELERY_BROKER_URL, CELERY_WORKER_AUTOSCALE would change this worker"
    )


def test_a_worker_started_as_ours_leaves_them_out() -> None:
    with own_broker() as broker:
        environment = {**WORKER_OF_ANOTHER_PROJECT, "BREAKEVEN_BROKER_URL": broker.url()}
        broker.processes.start(
            "mine", [sys.executable, "-m", "worker", "--hostname", "mine@here"], environment
        )
        with broker.fleet(1) as fleet:
            assert [(worker.name, worker.slots) for worker in fleet.workers] == [("mine@here", 1)]
