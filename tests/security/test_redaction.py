"""Secrets are masked in time that grows with the text, and before a text is split."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.inputs.image_server import ImageServer
from orchestrator.inputs.provisioning import start_image_server
from tests.command_line import orchestrator
from worker import redaction


class Counting:
    """A pattern that counts the characters it is given."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.characters = 0

    def __getattr__(self, name: str) -> object:
        def call(*arguments: object) -> object:
            self.characters += len(str(arguments[-1]))
            return getattr(self.pattern, name)(*arguments)

        return call


@pytest.mark.parametrize("sign", ["?", "&", "@", ":", "a://", "http://a/?", "?a=", "http://@"])
def test_patterns_see_a_long_text_only_after_it_is_cut(monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    patterns = {name: each for name, each in vars(redaction).items() if isinstance(each, re.Pattern)}
    counting = {name: Counting(each) for name, each in patterns.items()}
    for name, each in counting.items():
        monkeypatch.setattr(redaction, name, each)
    redaction.redact("http://a/" + sign * 65_000)
    assert sum(each.characters for each in counting.values()) < 10 * redaction.MAX_CHARACTERS


def test_a_login_that_ends_behind_the_cut_is_masked() -> None:
    shown = redaction.redact("http://user:s3cret" + "x" * 5000 + "@host/")
    assert shown == "http://***@…"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--source", "http://user:pa s3cret@127.0.0.1:1/{i}.jpg"],
        ["run", "--source", "http://user:pa/s3cret@127.0.0.1:1/{i}.jpg"],
        ["run", "--source", "http://user:s3cret@127.0.0.1:1/pictures"],
        ["run", "--source", "http://127.0.0.1:1/{i}.jpg#access_token=s3cret"],
        ["run", "--source", "http://127.0.0.1:1/{i}.jpg?key=12345678.s3cret"],
        ["run", "--broker", "user:s3cret@127.0.0.1:1"],
        ["run", "--broker=user:s3cret@127.0.0.1:1"],
        ["run", "--broker", "redis://user:pa/s3cret@127.0.0.1:1/0"],
        ["run", "--broker", "redis://user:pa?s3cret=1@127.0.0.1:1/0"],
        ["run", "--rounds", "user:s3cret@host"],
        ["report", "user:s3cret@host"],
        ["user:s3cret@host"],
    ],
)
def test_no_complaint_of_the_command_line_repeats_a_secret(tmp_path: Path, arguments: list[str]) -> None:
    done = orchestrator(*arguments, cwd=tmp_path)
    assert done.returncode in (2, 3)
    assert done.stderr.startswith("orchestrator: ")
    assert "s3cret" not in done.stdout + done.stderr


def test_a_worker_does_not_repeat_the_password_of_a_url_without_a_scheme(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker", "worker"],
        cwd=tmp_path,
        env={"BREAKEVEN_BROKER_URL": "user:s3cret@127.0.0.1:1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "s3cret" not in done.stdout + done.stderr


def test_neither_a_result_nor_its_page_has_the_secrets_of_its_source(tmp_path: Path) -> None:
    with ChildProcesses() as processes:
        base = start_image_server(processes, ImageServer(images=1, width=32, height=24))
        template = f"{base}/images/{{i}}.jpg?key=12345678.s3cret#access_token=s3cret"
        options = (
            "--images",
            "2",
            "--rounds",
            "1",
            "--warmup",
            "0",
            "--strategy",
            "serial",
            "--stage",
            "download",
        )
        done = orchestrator("run", "--source", template, *options, cwd=tmp_path)
    assert done.returncode == 1, done.stderr  # the second picture is not there, and its URL is in the failure
    (result,) = (tmp_path / "results").glob("*.json")
    (page,) = (tmp_path / "results").glob("*.html")
    assert "/images/1.jpg?key=***" in json.loads(result.read_text())["cells"][0]["failures"][0]["message"]
    assert "s3cret" not in done.stdout + done.stderr + result.read_text() + page.read_text()
