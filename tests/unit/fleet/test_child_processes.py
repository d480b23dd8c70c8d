"""The private folder of a run's child processes, on hosts where temporary files are a problem."""

from __future__ import annotations

import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from orchestrator.errors import UnavailableError
from orchestrator.fleet import child_processes
from orchestrator.fleet.child_processes import ChildProcesses


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
