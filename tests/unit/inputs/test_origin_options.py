"""What an origin can be told."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.inputs.image_server import Origin, main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 0}, "images 0 is out of range; it may be 1 or more"),
        ({"images": None}, "how many synthetic images to serve is not said"),
        ({"width": 3}, "size 3x800 is out of range"),
        ({"seed": -1}, "seed -1 is out of range"),
        ({"latency_ms": -1.0}, "latency -1.0 ms is out of range; it may be 0 or more"),
        ({"latency_ms": math.inf}, "latency inf ms is out of range"),
        ({"latency_ms": math.nan}, "latency nan ms is out of range"),
        ({"bandwidth_mbit": 0.0}, "bandwidth 0.0 Mbit/s is out of range; it must be over 0"),
        ({"port": 65536}, "port 65536 is out of range"),
    ],
)
def test_senseless_option_says_what_is_allowed(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        Origin(**options)
    assert message in str(error.value)


def test_size_does_not_matter_where_a_directory_is_served(tmp_path: Path) -> None:
    assert Origin(directory=tmp_path, images=None, width=0, height=0).images is None


def test_latency_and_bandwidth_become_seconds_and_bytes() -> None:
    origin = Origin(latency_ms=25, bandwidth_mbit=80)
    assert (origin.latency_s, origin.bytes_per_s) == (0.025, 10_000_000.0)
    assert Origin().bytes_per_s is None


def test_command_names_every_option_and_ends_with_its_parent() -> None:
    command = Origin(images=3, width=64, height=48, seed=9, latency_ms=1.5, bandwidth_mbit=2.0).command
    assert [sys.executable, "-m", "orchestrator.inputs.image_server"] == command[:3]
    assert {
        "--images=3",
        "--width=64",
        "--height=48",
        "--seed=9",
        "--latency-ms=1.5",
        "--bandwidth-mbit=2.0",
        "--host=127.0.0.1",
        "--port=0",
        "--end-with-stdin",
    } == set(command[3:])


def test_child_says_what_is_wrong_and_exits_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--images", "0"]) == 2
    assert capsys.readouterr().err == "images 0 is out of range; it may be 1 or more\n"
