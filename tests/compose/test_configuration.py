"""What docker-compose.yml says, without bringing anything up."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.compose.conftest import ROOT
from tests.compose.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(120)]


@pytest.fixture
def unset(project: Path) -> Stack:
    """The project as it is cloned, with no setting at all."""
    return Stack(project, "breakeven-test-configuration", {})


def test_the_configuration_is_free_of_warnings(unset: Stack) -> None:
    done = unset.run("config", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_setting_of_the_example_may_be_given_as_it_stands(unset: Stack, project: Path) -> None:
    example = Path(__file__).parents[2] / ".env.example"
    without, given = (
        json.loads(unset.compose(*how, "config", "--format", "json"))
        for how in ((), ("--env-file", str(example)))
    )
    limits = {
        name: value for name, value in given["services"]["worker"]["environment"].items() if value is not None
    }
    assert limits["BREAKEVEN_TASK_TIME_LIMIT_S"] == "120"
    for service in without["services"].values():
        service.pop("environment", None)
    for service in given["services"].values():
        service.pop("environment", None)
    assert given["services"] == without["services"]


def test_a_stopped_workers_grace_is_set_beside_its_time_limit(unset: Stack) -> None:
    graces = [
        json.loads(unset.compose("config", "--format", "json", **given))["services"]["worker"][
            "stop_grace_period"
        ]
        for given in ({}, {"WORKER_STOP_GRACE": "610s"})
    ]
    assert graces == ["2m10s", "10m10s"]


def test_the_stack_is_set_up_from_a_checkout_that_converts_line_ends(engine: None, tmp_path: Path) -> None:
    """As Git does on Windows: a carriage return after `set -eu` ended `setup` with "Illegal option -"."""
    git = shutil.which("git") or "git"
    clone = [git, "clone", "--quiet", "--config", "core.autocrlf=true", str(ROOT), str(tmp_path / "clone")]
    subprocess.run(clone, check=True)
    stack = Stack(tmp_path / "clone", f"breakeven-test-crlf-{secrets.token_hex(4)}", {})
    try:
        stack.compose("up", "--detach", "--wait", "redis")
    finally:
        stack.remove()


def test_no_service_has_a_name_of_its_own_and_only_flower_a_port(unset: Stack) -> None:
    services = json.loads(unset.compose("config", "--format", "json"))["services"]
    assert [name for name, service in services.items() if "container_name" in service] == []
    assert [name for name, service in services.items() if service.get("ports")] == ["flower"]


def test_the_orchestrator_does_not_depend_on_workers(unset: Stack) -> None:
    """`docker compose run` brings what a service depends on to the scale of the file, which is 1."""
    services = json.loads(unset.compose("config", "--format", "json"))["services"]
    seen, waiting = set[str](), ["orchestrator"]
    while waiting:
        seen.add(service := waiting.pop())
        waiting += services[service].get("depends_on", {})
    assert seen == {"orchestrator", "redis", "origin", "setup"}
