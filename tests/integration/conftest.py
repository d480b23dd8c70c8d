"""A real broker and real workers, brought up once for all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.image_server import ImageServer
from orchestrator.inputs.provisioning import start_image_server

SLOTS = 2


@pytest.fixture(scope="session")
def processes() -> Iterator[ChildProcesses]:
    with ChildProcesses() as processes:
        yield processes


@pytest.fixture(scope="session")
def origin_url(processes: ChildProcesses) -> str:
    return start_image_server(processes, ImageServer(images=6, width=48, height=32, seed=7))


@pytest.fixture(scope="session")
def fleet(processes: ChildProcesses) -> Iterator[Fleet]:
    with embedded_fleet(processes, SLOTS, events=False, origins=()) as fleet:
        fleet.measure_clock_offsets()
        yield fleet
