"""A Compose project as its user has it: commands, containers, results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests

T = TypeVar("T")

DOCKER = shutil.which("docker") or "docker"

SMALL = ("--stage", "grayscale", "--kernel", "numpy", "--images", "6", "--size", "96x64", "--rounds", "3")
"""Options of a comparison that takes a few seconds."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The project in `folder`, under a name of its own; `settings` are what a .env would hold."""

    folder: Path
    name: str
    settings: Mapping[str, str]

    def compose(self, *arguments: str, timeout_s: float = 240, check: bool = True, **extra: str) -> str:
        """What a Compose command writes to standard output; the end of its errors where it fails."""
        done = self.run(*arguments, timeout_s=timeout_s, **extra)
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
        return done.stdout

    def run(self, *arguments: str, timeout_s: float = 240, **extra: str) -> subprocess.CompletedProcess[str]:
        """A Compose command to its end, whatever that is; `extra` settings go over those of the stack."""
        command = [DOCKER, "compose", "--project-name", self.name, *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **self.settings, **extra},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def remove(self) -> None:
        """Remove everything of the project; Compose keeps images that the file names."""
        self.compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5")
        docker("image", "rm", "--force", f"{self.name}-orchestrator")

    def orchestrator(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """A command of the orchestrator against the fleet that is up."""
        return self.run("run", "--rm", "orchestrator", *arguments, **extra)

    def compared(self, *arguments: str, **extra: str) -> dict[str, Any]:
        """The result of a small comparison that ended well."""
        done = self.orchestrator("run", *SMALL, *arguments, "--json", "-", **extra)
        assert done.returncode == 0, done.stderr[-3000:]
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def containers(self, service: str | None = None) -> list[dict[str, Any]]:
        """What the engine knows of the project's containers, those that have ended among them."""
        ids = self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()
        return json.loads(docker("inspect", *ids)) if ids else []

    def until(self, condition: Callable[[], T | None], what: str, within_s: float = 120) -> T:
        """What `condition` gives as soon as it gives anything."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.5)
        raise AssertionError(f"{what}: not within {within_s} s; {self.compose('ps', '--all')}")

    def ended(self, service: str) -> int:
        """The exit code of a service's only container, once it has ended."""
        (container,) = self.containers(service)
        return int(docker("wait", container["Id"], timeout_s=240))

    def healthy(self, service: str, number: int = 1) -> None:
        """Wait until so many containers of a service run and say that they are well."""

        def well() -> bool:
            states = [container["State"] for container in self.containers(service)]
            return [state.get("Health", {}).get("Status") for state in states] == ["healthy"] * number

        self.until(well, f"{number} healthy {service}")

    @property
    def flower_url(self) -> str:
        """Where Flower is, once it answers: its health check is made too seldom to wait for."""
        url = f"http://127.0.0.1:{self.settings['FLOWER_PORT']}"

        def answers() -> bool:
            try:
                return requests.get(f"{url}/healthcheck", timeout=5).text == "OK"
            except requests.RequestException:
                return False

        self.until(answers, "Flower")
        return url


def docker(*arguments: str, timeout_s: float = 60) -> str:
    """What a Docker command writes to standard output."""
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, timeout=timeout_s, check=True)
    return done.stdout
