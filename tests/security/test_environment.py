"""The broker, the image server and Flower get nothing of the user's environment that they do not need."""

from __future__ import annotations

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.flower import start_flower
from orchestrator.fleet.sealed_environment import NEEDED, NEEDED_PREFIXES
from orchestrator.inputs.image_server import ImageServer
from orchestrator.inputs.provisioning import start_image_server

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
