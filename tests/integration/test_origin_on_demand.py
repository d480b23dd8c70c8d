"""The origin that serves whatever a URL names, over real HTTP."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from orchestrator.inputs import provisioning, source
from orchestrator.inputs.on_demand import Demanded, NoRoomError, Pictures, file_url, pace_of, synthetic_url
from orchestrator.inputs.synthetic import encode, photograph
from orchestrator.inputs.web import application_of

PLAN: Any = SimpleNamespace(seed=7, images=2, bandwidth_mbit=50.0)
WORK = provisioning.Work(64, 48, 10.0)


def ask(pictures: Callable[[], Pictures], *paths: str) -> list[HTTPResponse]:
    """What an origin answers to one path after the other."""

    async def run() -> list[HTTPResponse]:
        listening, port = bind_unused_port()
        server = HTTPServer(application_of(Demanded, {"pictures": pictures()}))
        server.add_socket(listening)
        try:
            client = AsyncHTTPClient()
            return [await client.fetch(f"http://127.0.0.1:{port}{path}", raise_error=False) for path in paths]
        finally:
            server.stop()
            await server.close_all_connections()

    return asyncio.run(run())


def test_a_url_names_the_photograph() -> None:
    path = synthetic_url("", 7, (64, 48), 3, "")
    assert [answer.body for answer in ask(Pictures, path, path)] == [encode(photograph(7, 3, 64, 48))] * 2


def test_latency_and_bandwidth_are_what_the_url_asks_for() -> None:
    size = len(encode(photograph(7, 0, 64, 48)))
    plain, slow = synthetic_url("", 7, (64, 48), 0, ""), synthetic_url("", 7, (64, 48), 0, pace_of(30, 1))
    first, second = ask(Pictures, plain, slow)
    assert first.body == second.body
    assert second.request_time > 0.030 + size * 8 / 1e6


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/images/0.jpg", 404),
        ("/synthetic/1/64x48/0.png", 404),
        ("/synthetic/1/4x4/0.jpg", 400),
        ("/synthetic/1/64x48/0.jpg?latency_ms=-1", 400),
        ("/synthetic/1/64x48/0.jpg?latency_ms=nan", 400),
        ("/synthetic/1/64x48/0.jpg?bandwidth_mbit=fast", 400),
        ("/files/secret", 404),
        ("/files/..%2Fsecret", 404),
        ("/files/.hidden", 404),
        ("/files/link.png", 404),
    ],
)
def test_what_it_does_not_serve(tmp_path: Path, path: str, code: int) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / ".hidden").write_bytes(b"hidden")
    (folder / "link.png").symlink_to(tmp_path / "secret")
    assert [answer.code for answer in ask(lambda: Pictures(folder), path)] == [code]


def test_a_file_is_served_by_its_name_and_anew_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "no. 1 äß.png"
    pictures = Pictures(tmp_path)

    async def found() -> bytes:
        picture = await pictures.find(file_url("", file.name, ""))
        assert picture is not None
        return picture.body

    async def twice() -> tuple[bytes, bytes]:
        file.write_bytes(b"one")
        before = await found()
        file.write_bytes(b"another")
        os.utime(file, ns=(time.time_ns(), time.time_ns()))
        return before, await found()

    assert asyncio.run(twice()) == (b"one", b"another")


def test_the_set_asked_for_longest_ago_makes_room_and_one_that_is_too_large_is_refused() -> None:
    one = len(encode(photograph(1, 0, 64, 48)))

    async def run() -> list[str]:
        pictures = Pictures(max_bytes=int(one * 2.5))
        for seed in (1, 2, 1, 3):
            await pictures.find(synthetic_url("", seed, (64, 48), 0, ""))
        kept = list(pictures._sets)
        await pictures.find(synthetic_url("", 1, (64, 48), 1, ""))
        with pytest.raises(NoRoomError):
            await pictures.find(synthetic_url("", 1, (64, 48), 2, ""))
        return kept

    assert asyncio.run(run()) == ["/synthetic/1/64x48", "/synthetic/3/64x48"]


def test_a_run_asks_the_origin_it_was_given_for_its_own_seed_size_and_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BREAKEVEN_ORIGIN_URL", "http://origin:8000/")
    urls = provisioning._demanded(PLAN, WORK, source.parse("origin"))
    end = "?latency_ms=10&bandwidth_mbit=50"
    assert urls == tuple(f"http://origin:8000/synthetic/7/64x48/{i}.jpg{end}" for i in range(2))


def test_it_asks_for_files_only_of_the_folder_that_the_origin_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a b.png").write_bytes(b"x")
    monkeypatch.setenv("BREAKEVEN_ORIGIN_URL", "http://origin:8000")
    chosen = source.parse(str(tmp_path))
    assert provisioning._demanded(PLAN, WORK, chosen) is None
    monkeypatch.setenv("BREAKEVEN_ORIGIN_FOLDER", str(tmp_path))
    urls = provisioning._demanded(PLAN, WORK, chosen)
    assert urls == ("http://origin:8000/files/a%20b.png?latency_ms=10&bandwidth_mbit=50",)
