"""A Docker engine, and the stack of docker-compose.yml on it: brought up once, taken down whatever happens."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.compose.stack import SMALL, Stack

ROOT = Path(__file__).parents[2]
PARTS = (
    "docker-compose.yml",
    ".dockerignore",
    "pyproject.toml",
    "requirements",
    "README.md",
    "docker",
    "worker",
    "orchestrator",
)
USER = 12_345
"""Whose the files are: not root, not the user of the containers, and nobody whom this machine knows."""


def missing(what: str) -> NoReturn:
    """Skip, or in CI fail."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def engine() -> None:
    """Proof that a Docker engine answers and has Compose."""
    if shutil.which("docker") is None:
        missing("docker is not installed; these tests need an engine and Compose 2.20 or newer")
    for question in (["docker", "info"], ["docker", "compose", "version"]):
        asked = subprocess.run(question, capture_output=True, text=True, timeout=60)
        if asked.returncode:
            missing(f"'{' '.join(question)}' says: {asked.stderr.strip()[-200:]}")


@pytest.fixture(scope="session")
def project(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of what the stack is made from, owned by an ordinary user as a clone would be."""
    folder = Path("/var/tmp") / f"breakeven-{secrets.token_hex(4)}"  # noqa: S108 - others than root must get there
    folder.mkdir(mode=0o755)
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER, USER)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def stack(project: Path) -> Iterator[Stack]:
    """The stack, up with three workers; its orchestrator has made a small comparison and ended."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"FLOWER_PORT": str(port), "RUN_OPTIONS": " ".join(SMALL)}
    stack = Stack(project, f"breakeven-test-{secrets.token_hex(4)}", settings)
    try:
        stack.compose("build", timeout_s=1200)
        stack.compose("up", "--detach", "--scale", "worker=3")
        stack.ended("orchestrator")
        yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, from Debian."""
    path = shutil.which("chromium")
    if path is None:
        missing("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()
