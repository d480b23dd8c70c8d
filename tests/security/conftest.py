"""Two real workers behind a real broker, for each file of attacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from tests.security.wire import Workers

SLOTS = 2


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with ChildProcesses() as processes, embedded_fleet(processes, SLOTS, events=False, origins=()) as fleet:
        fleet.measure_clock_offsets()
        fleet.use_slots(SLOTS)
        yield Workers(fleet, processes)
