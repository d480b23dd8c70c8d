"""What this machine tells, and what a run makes of a machine that tells less."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil._pslinux
import pytest

from orchestrator.measurement.machine import LoadMeter, free_memory

WITHHELD = ("/proc/stat", "/proc/meminfo")  # from all but root, on Android and on hardened hosts
RUN = """
import sys
sys.path.insert(0, ROOT)
from tests.unit.measurement.test_machine import withheld
import psutil._pslinux
psutil._pslinux.open_binary = withheld(psutil._pslinux.open_binary)
from orchestrator.cli import main
main()
"""


def withheld(opened: Any) -> Any:
    """Return psutil's way to open a file, which may not open these."""

    def opens(name: str) -> Any:
        if name in WITHHELD:
            raise PermissionError(13, "Permission denied", name)
        return opened(name)

    return opens


@pytest.fixture
def hardened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil._pslinux, "open_binary", withheld(psutil._pslinux.open_binary))


def test_a_host_that_withholds_its_counters_has_no_known_load_and_no_known_memory(hardened: None) -> None:
    load = LoadMeter(lambda: [1]).load(3)
    assert (load.round, load.other, load.steal, free_memory()) == (3, None, None, None)


def test_a_run_on_a_host_that_withholds_its_counters_is_complete(tmp_path: Path) -> None:
    small = ["--stage", "decode", "--kernel", "asarray", "--strategy", "serial", "--strategy", "processes"]
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", f"ROOT = {root!r}" + RUN, "run", *small, "--images", "4", "--rounds", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "results").glob("*.json"))) == 1
