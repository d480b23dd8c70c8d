"""`python -m worker`: the arguments it gives to Celery, its name, and the file that shows it is alive."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from worker.command import DEFAULTS, celery_arguments, node_name, touch_on_heartbeat


@pytest.mark.parametrize(("slots", "name"), [(1, "slot1@bench1"), (4, "slots1-4@bench1")])
def test_a_worker_is_named_after_its_slots_and_its_host(
    monkeypatch: pytest.MonkeyPatch, slots: int, name: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "bench1")
    assert node_name(slots) == name


def test_a_worker_has_one_slot_by_default() -> None:
    assert "--concurrency=1" in celery_arguments([])
    assert f"--hostname={node_name(1)}" in celery_arguments([])


@pytest.mark.parametrize("arguments", [["--concurrency", "3"], ["--concurrency=3"], ["-c", "3"]])
def test_arguments_come_after_the_defaults_and_so_override_them(arguments: list[str]) -> None:
    made = celery_arguments([*arguments, "--hostname", "mine@here"])
    assert f"--hostname={node_name(3)}" in made
    assert made[-len(arguments) - 2 :] == [*arguments, "--hostname", "mine@here"]
    assert set(DEFAULTS) <= set(made[: -len(arguments) - 2])


def test_every_heartbeat_touches_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    monkeypatch.setattr(
        "worker.command.heartbeat_sent.connect", lambda receiver, weak: connected.append(receiver)
    )
    touch_on_heartbeat(tmp_path / "alive")
    assert not (tmp_path / "alive").exists()
    connected[0](sender=None)  # type: ignore[operator]
    assert (tmp_path / "alive").exists()
