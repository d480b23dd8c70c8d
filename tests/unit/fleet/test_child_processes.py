"""The private folder of a run's child processes, on hosts where temporary files are a problem."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import namedtuple
from pathlib import Path

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.fleet import child_processes
from orchestrator.fleet.child_processes import ChildProcesses

STARTED = (
    "import os, sys; print(__import__('json').dumps([sys.flags.safe_path, os.getcwd(), dict(os.environ)]))"
)


def start_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with ChildProcesses():
        pass


@pytest.mark.parametrize("name", ["a b", "#1?", "%41", "ünïcode"])
def test_an_oddly_named_temporary_folder_is_used_and_left_empty(name, tmp_path_factory, monkeypatch):
    with tempfile.TemporaryDirectory(prefix="odd-") as short:
        folder = Path(short) / name
        folder.mkdir()
        start_in(folder, monkeypatch)
        assert list(folder.iterdir()) == []


def test_a_full_temporary_folder_is_an_error_with_the_remedy(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(1 << 20, 1 << 20, 4096)
    monkeypatch.setattr(child_processes.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        UnavailableError, match=r"has no room left \(4,096 bytes\); .*name another with TMPDIR"
    ):
        start_in(tmp_path, monkeypatch)
    assert list(tmp_path.iterdir()) == []


def test_a_long_temporary_folder_is_an_error_with_the_remedy(tmp_path, monkeypatch):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with pytest.raises(UnavailableError, match=r"too long a name .*name a shorter one with TMPDIR"):
        start_in(folder, monkeypatch)
    assert list(folder.iterdir()) == []


def test_a_missing_temporary_folder_is_an_error_with_the_remedy(tmp_path, monkeypatch):
    with pytest.raises(
        UnavailableError, match=r"none cannot be used \(No such file or directory\); .*TMPDIR"
    ):
        start_in(tmp_path / "none", monkeypatch)


def test_a_child_that_ends_before_its_start_is_read_has_ended(tmp_path, monkeypatch) -> None:
    read = ChildProcesses.poll

    def read_late(processes: ChildProcesses, timeout_s: float = 0.0) -> None:
        time.sleep(1.0)  # until the supervisor has reported both
        read(processes, timeout_s)

    monkeypatch.setattr(ChildProcesses, "poll", read_late)
    with ChildProcesses() as processes:
        processes.start("brief", [sys.executable, "-c", "raise SystemExit(7)"])
        assert processes.ended == {"brief": 7}


def test_a_child_starts_in_a_folder_of_the_run_with_a_sealed_environment(tmp_path, monkeypatch) -> None:
    foreign = {"CELERY_BROKER_URL": "redis://shop:6379/0", "PYTHONPATH": "shop", "PYTHONOPTIMIZE": "2"}
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SHOP_NAME", "corner")
    with ChildProcesses() as processes:
        processes.start("asked", [sys.executable, "-c", STARTED], is_worker=True)
        while "asked" not in processes.ended:
            processes.poll(timeout_s=0.1)
        safe_path, folder, environment = json.loads(processes.log("asked"))
        assert safe_path
        assert Path(folder).is_relative_to(processes.folder.resolve())
    assert environment["SHOP_NAME"] == "corner"
    assert not (foreign.keys() - {"PYTHONPATH"}) & environment.keys()
