"""A refused size, and a file of millions of names, take no memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.inputs.image_server import NoRoomError, PictureCache

ROOT = Path(__file__).parents[2]
READ = """
import resource, sys
from pathlib import Path
from orchestrator import results
from orchestrator.errors import UsageError

pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (256 << 20),) * 2)
try:
    results.read(Path(sys.argv[1]))
except UsageError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("size", "error", "max_bytes"), [("9999x9999", UsageError, 1 << 30), ("32x24", NoRoomError, 10)]
)
def test_the_image_server_keeps_nothing_of_a_size_that_it_refuses(
    size: str, error: type[Exception], max_bytes: int
) -> None:
    async def ask(cache: PictureCache) -> None:
        for seed in range(100):
            with pytest.raises(error):
                await cache.find(f"/synthetic/{seed}/{size}/0.jpg")

    cache = PictureCache({}, on_demand=True, max_bytes=max_bytes)
    asyncio.run(ask(cache))
    cache.close()
    assert len(cache._groups) == 0


def test_a_result_of_millions_of_names_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with path.open("w") as file:
        file.write('{"schema": 1, "cells": [], "plan": {')
        file.writelines(f'"{i}":0,' for i in range(4_900_000))
        file.write('"end": 0}}')
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert "it has more than 10000 different names of fields" in done.stdout
