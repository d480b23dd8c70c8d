"""What a worker checks before it serves, and how it ends if a check fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.signals import worker_init

from worker import app as worker_app
from worker import functions
from worker.settings import settings


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep what a worker sets for itself out of this process, and let every server answer."""
    for name in ("keep_freed_memory", "collect_rarely"):
        monkeypatch.setattr(worker_app, name, lambda: pytest.fail("the worker went on"))
    monkeypatch.setattr(worker_app, "find_access_error", lambda _: None)
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def ending(capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Start a worker as Celery does; return the exit code and the line with which it ends."""
    with pytest.raises(SystemExit) as raised:
        worker_init.send(sender=None)
    (line,) = capsys.readouterr().err.splitlines()
    return raised.value.code, line


def test_a_worker_ends_when_the_folder_of_its_functions_cannot_be_entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BREAKEVEN_FUNCTIONS", "jobs:thumbnail")
    monkeypatch.setenv("BREAKEVEN_FUNCTION_PATH", f"{tmp_path / 'typo'}:{tmp_path}")
    assert ending(capsys) == (
        2,
        f"breakeven: functions run in the first folder of BREAKEVEN_FUNCTION_PATH, {tmp_path / 'typo'}, which cannot "
        "be entered (No such file or directory); name a folder that exists",
    )


@pytest.mark.parametrize("variable", ["BREAKEVEN_BROKER_URL", "BREAKEVEN_PAYLOAD_URL"])
@pytest.mark.parametrize("url", ["amqp://user:{}@host/", "redis://user:{}@host:99999/0"])
def test_a_worker_ends_when_a_server_is_no_redis(
    variable: str, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, url.format("s3cret"))
    assert ending(capsys) == (
        2,
        f"breakeven: {variable}={url.replace('user:{}', '***')} is not the URL of a Redis; write redis://host:6379/0",
    )


def test_a_worker_that_cannot_be_prepared_does_not_serve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BREAKEVEN_FUNCTIONS", "jobs:thumbnail")
    monkeypatch.setattr(functions, "enter_folder", lambda: None)

    def fail() -> None:
        raise RuntimeError("no luck at redis://user:s3cret@host/0")

    monkeypatch.setattr(functions, "descriptions", fail)
    assert ending(capsys) == (
        1,
        "breakeven: this worker cannot be prepared, so it does not serve (RuntimeError: no luck at redis://***@host/0)",
    )
