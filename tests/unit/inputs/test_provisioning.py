"""Where a run's inputs come from: an image server that is already there, or one of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.inputs.provisioning import Inputs, Work, _on_demand_urls
from orchestrator.inputs.source import parse
from orchestrator.model.runs import TaskFailure

PLAN: Any = SimpleNamespace(seed=7, images=2, bandwidth_mbit=50.0)
WORK = Work(64, 48, 10.0)


def test_a_run_asks_the_server_it_was_given_for_its_own_seed_size_and_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BREAKEVEN_ORIGIN_URL", "http://origin:8000/")
    urls = _on_demand_urls(PLAN, WORK, parse("origin"))
    end = "?latency_ms=10&bandwidth_mbit=50"
    assert urls == tuple(f"http://origin:8000/synthetic/7/64x48/{i}.jpg{end}" for i in range(2))


def test_it_asks_for_files_only_of_the_directory_that_the_server_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a b.png").write_bytes(b"x")
    monkeypatch.setenv("BREAKEVEN_ORIGIN_URL", "http://origin:8000")
    chosen = parse(str(tmp_path))
    assert _on_demand_urls(PLAN, WORK, chosen) is None
    monkeypatch.setenv("BREAKEVEN_ORIGIN_FOLDER", str(tmp_path))
    urls = _on_demand_urls(PLAN, WORK, chosen)
    assert urls == ("http://origin:8000/files/a%20b.png?latency_ms=10&bandwidth_mbit=50",)


@pytest.mark.parametrize(
    ("names", "kind", "before", "after"),
    [
        (("a.jpg", "holiday.jpg"), "DecodeError", "not a picture", "holiday.jpg: not a picture"),
        (("http://h/0", "http://h/1?key=x"), "DecodeError", "broken", "http://h/1?key=***: broken"),
        (("http://h/0", "http://h/1"), "DownloadError", "http://h/1 answered 404", "http://h/1 answered 404"),
        (("a.jpg", "holiday.jpg"), "Lost", "worker a died", "worker a died"),
        ((), "DecodeError", "broken", "broken"),
    ],
)
def test_a_failure_names_the_file_or_url_of_its_picture_once(
    names: tuple[str, ...], kind: str, before: str, after: str
) -> None:
    assert Inputs(PLAN, {}, (), names).named(TaskFailure(1, kind, before)).message == after
