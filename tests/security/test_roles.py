"""The roles of a shared broker may run no scripts and no administrator's commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_command_of_the_broker_is_asked_for_each_role_and_none_is_too_much() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/system/role_table.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Met:" in done.stdout
