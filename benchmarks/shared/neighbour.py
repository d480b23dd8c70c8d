"""A second process that works in bursts, as on a shared machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Busy and idle for as long as each other on average, evenly on a logarithmic scale; ends when its input does.
BURSTS = """
import random, select, sys, time
while not select.select([sys.stdin], [], [], 0.1 * 200 ** random.random())[0]:
    until = time.monotonic() + 0.1 * 200 ** random.random()
    while time.monotonic() < until:
        sum(range(10_000))
"""


@contextmanager
def neighbour(busy: bool) -> Iterator[None]:
    """Let a second process work in bursts until the block ends, if `busy`."""
    if not busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", BURSTS], stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.kill()
