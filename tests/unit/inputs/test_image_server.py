"""The image server: its options, what it answers and when, on a clock that only its own sleeps move."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.inputs.image_server import (
    PIECE_S,
    ImageServer,
    NoRoomError,
    Pace,
    Picture,
    PictureCache,
    application,
    file_url,
    main,
    pace_query,
    pieces,
    synthetic_url,
)
from orchestrator.inputs.synthetic import encode, photograph

PICTURES = {
    "/images/0.jpg": Picture(bytes(range(256)) * 40, "image/jpeg"),
    "/images/1.png": Picture(b"", "image/png"),
}


@dataclass
class FakeTime:
    """A clock that only `sleep` moves."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def the_set() -> PictureCache:
    def offer(picture: Picture) -> Callable[[], Picture]:
        return lambda: picture

    return PictureCache({path: offer(picture) for path, picture in PICTURES.items()})


def ask_all(make: Callable[[], Application], *paths: str, method: str = "GET") -> list[HTTPResponse]:
    """The answers of one server to one path after the other."""
    body = b"" if method == "POST" else None

    async def run() -> list[HTTPResponse]:
        listening, port = bind_unused_port()
        server = HTTPServer(make())
        server.add_socket(listening)
        fetch = AsyncHTTPClient().fetch
        try:
            base = f"http://127.0.0.1:{port}"
            return [await fetch(base + path, method=method, body=body, raise_error=False) for path in paths]
        finally:
            server.stop()
            await server.close_all_connections()

    return asyncio.run(run())


def ask(
    path: str,
    method: str = "GET",
    latency_s: float = 0.0,
    bytes_per_s: float | None = None,
    time: FakeTime | None = None,
) -> HTTPResponse:
    """One request to a server of `PICTURES`."""
    fake, pace = time or FakeTime(), Pace(latency_s, bytes_per_s)
    (answer,) = ask_all(lambda: application(the_set(), pace, fake.sleep, fake.clock), path, method=method)
    return answer


def test_picture_comes_whole_with_its_type_and_is_never_cached() -> None:
    response = ask("/images/0.jpg")
    assert (200, PICTURES["/images/0.jpg"].body) == (response.code, response.body)
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Content-Length"] == "10240"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Etag" not in response.headers


@pytest.mark.parametrize("bytes_per_s", [None, 1e6])
def test_empty_file_is_an_empty_answer(bytes_per_s: float | None) -> None:
    response = ask("/images/1.png", bytes_per_s=bytes_per_s)
    assert (response.code, response.body, response.headers["Content-Length"]) == (200, b"", "0")


def test_head_gives_the_length_and_no_body() -> None:
    time = FakeTime()
    response = ask("/images/0.jpg", "HEAD", latency_s=0.5, bytes_per_s=1e6, time=time)
    assert (response.code, response.body, response.headers["Content-Length"]) == (200, b"", "10240")
    assert time.slept == [0.5]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/images/",
        "/images/2.jpg",
        "/images/-1.jpg",
        "/images/00.jpg",
        "/images/0",
        "/images/0.png",
        "/images/0.jpg/",
        "/images/../images/0.jpg",
        "/images/%2e%2e/%2e%2e/etc/passwd",
        "/images/%ff%fe.jpg",
        "/images/%00",
        "//images/0.jpg",
        "/health/x",
        "/" + "x" * 5000,
    ],
)
def test_an_unknown_path_is_a_plain_404_that_names_the_first_picture(path: str) -> None:
    response = ask(path)
    assert (response.code, response.body) == (404, b"404 Not Found; pictures are at /images/0.jpg and on\n")


def test_query_does_not_matter() -> None:
    assert ask("/images/0.jpg?now=1").code == 200


def test_other_methods_are_not_allowed() -> None:
    assert ask("/images/0.jpg", "POST").code == 405


@pytest.mark.parametrize(("path", "code"), [("/images/0.jpg", 200), ("/images/9.jpg", 404)])
def test_latency_comes_once_before_each_answer(path: str, code: int) -> None:
    time = FakeTime()
    assert code == ask(path, latency_s=0.025, time=time).code
    assert time.slept == [0.025]


def test_no_latency_means_no_sleep() -> None:
    time = FakeTime()
    ask("/images/0.jpg", time=time)
    assert time.slept == []


def test_health_answers_without_latency() -> None:
    time = FakeTime()
    response = ask("/health", latency_s=9.0, bytes_per_s=1.0, time=time)
    assert (response.code, response.body, time.slept) == (200, b"ok\n", [])


def test_a_paced_body_takes_its_size_over_its_bandwidth() -> None:
    time = FakeTime()
    response = ask("/images/0.jpg", latency_s=0.25, bytes_per_s=10_240.0, time=time)
    assert PICTURES["/images/0.jpg"].body == response.body
    assert time.now == pytest.approx(100.0 + 0.25 + 1.0)
    assert max(time.slept[1:]) == pytest.approx(41 / 10_240)  # 4 ms of it, in whole bytes


def test_one_requests_latency_does_not_hold_up_another() -> None:
    """Each request sleeps until the other sleeps too; taken one by one, neither would ever be answered."""

    async def both() -> list[HTTPResponse]:
        together = asyncio.Barrier(2)

        async def sleep(_: float) -> None:
            await together.wait()

        listening, port = bind_unused_port()
        server = HTTPServer(application(the_set(), Pace(1.0), sleep))
        server.add_socket(listening)
        get = AsyncHTTPClient().fetch
        answers = await asyncio.gather(*(get(f"http://127.0.0.1:{port}/images/0.jpg") for _ in range(2)))
        server.stop()
        await server.close_all_connections()
        return answers

    assert [answer.code for answer in asyncio.run(both())] == [200, 200]


@given(st.integers(0, 500_000), st.floats(1e5, 1e10))
def test_pieces_cover_the_body_in_order_and_end_when_its_time_is_up(size: int, bytes_per_s: float) -> None:
    schedule = list(pieces(size, bytes_per_s))
    assert [start for _, start, _ in schedule] == [0, *(end for _, _, end in schedule[:-1])][: len(schedule)]
    assert all(0 < end - start <= bytes_per_s * PIECE_S + 1 for _, start, end in schedule)
    assert all(due_s == end / bytes_per_s for due_s, _, end in schedule)
    if schedule:
        assert (size / bytes_per_s, size) == (schedule[-1][0], schedule[-1][2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 0}, "images 0 is out of range; it may be 1 or more"),
        ({"images": None}, "the number of synthetic images is missing"),
        ({"width": 3}, "size 3x800 is out of range"),
        ({"seed": -1}, "seed -1 is out of range"),
        ({"latency_ms": -1.0}, "latency -1.0 ms is out of range; it may be 0 or more"),
        ({"latency_ms": math.inf}, "latency inf ms is out of range"),
        ({"latency_ms": math.nan}, "latency nan ms is out of range"),
        ({"bandwidth_mbit": 0.0}, "bandwidth 0.0 Mbit/s is out of range; it must be over 0"),
        ({"port": 65536}, "port 65536 is out of range"),
    ],
)
def test_an_option_out_of_range_names_the_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        ImageServer(**options)
    assert message in str(error.value)


def test_size_does_not_matter_where_a_directory_is_served(tmp_path: Path) -> None:
    assert ImageServer(directory=tmp_path, images=None, width=0, height=0).images is None


def test_latency_and_bandwidth_become_seconds_and_bytes() -> None:
    assert Pace.of(25, 80) == Pace(0.025, 10_000_000.0)
    assert Pace.of(0, None) == Pace(0.0, None)


def test_a_child_is_given_every_option(tmp_path: Path) -> None:
    server = ImageServer(images=3, width=64, latency_ms=1.5, directory=tmp_path)
    python, _, module, options, flag = server.command("--end-with-stdin")
    assert (python, module, flag) == (sys.executable, "orchestrator.inputs.image_server", "--end-with-stdin")
    given = json.loads(options)
    assert ImageServer(**{**given, "directory": Path(given["directory"])}) == server


def test_a_child_prints_what_is_wrong_and_exits_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([json.dumps({"images": 0})]) == 2
    assert capsys.readouterr().err == "images 0 is out of range; it may be 1 or more\n"


def test_a_synthetic_set_is_numbered_from_0() -> None:
    offered = ImageServer(images=3, width=16, height=8).set
    assert list(offered) == ["/images/0.jpg", "/images/1.jpg", "/images/2.jpg"]


def test_a_synthetic_picture_is_the_photograph_of_its_number() -> None:
    made = ImageServer(images=2, width=16, height=8, seed=5).set["/images/1.jpg"]()
    assert Picture(encode(photograph(5, 1, 16, 8)), "image/jpeg") == made


def test_files_are_offered_in_name_order_with_their_suffix(tmp_path: Path) -> None:
    picture = encode(photograph(5, 1, 16, 8))
    contents = {
        "b.PNG": b"2",
        "a.jpg": b"1",
        "c": picture,
        "d.bin": picture,
        "e.webp": b"5",
        "notes.txt": b"6",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    offered = ImageServer(directory=tmp_path, images=None).set
    assert list(offered) == ["/images/0.jpg", "/images/1.PNG", "/images/2", "/images/3.bin", "/images/4.webp"]
    assert [
        Picture(b"1", "image/jpeg"),
        Picture(b"2", "image/png"),
        Picture(picture, "application/octet-stream"),
        Picture(picture, "application/octet-stream"),
        Picture(b"5", "image/webp"),
    ] == [read() for read in offered.values()]


def test_only_as_many_files_as_asked_for_are_offered(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).touch()
    assert list(ImageServer(directory=tmp_path, images=2).set) == ["/images/0.jpg", "/images/1.jpg"]
    assert len(ImageServer(directory=tmp_path, images=20).set) == 3


def test_a_file_that_went_away_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    offered = ImageServer(directory=tmp_path).set
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(UnavailableError, match=r"a\.jpg cannot be read: No such file"):
        offered["/images/0.jpg"]()


def test_a_set_that_does_not_fit_in_memory_names_the_remedy() -> None:
    async def fill() -> None:
        await PictureCache(ImageServer(images=3, width=16, height=8).set, max_bytes=1000).fill()

    with pytest.raises(
        UsageError, match="the pictures take over 1000 bytes; serve fewer with --images, or sma"
    ):
        asyncio.run(fill())


def on_demand(directory: Path | None = None) -> Application:
    return application(PictureCache({}, directory, on_demand=True))


def test_a_url_names_the_photograph() -> None:
    path = synthetic_url("", 7, (64, 48), 3, "")
    assert [answer.body for answer in ask_all(on_demand, path, path)] == [
        encode(photograph(7, 3, 64, 48))
    ] * 2


def test_latency_and_bandwidth_are_what_the_url_asks_for() -> None:
    size = len(encode(photograph(7, 0, 64, 48)))
    plain, slow = synthetic_url("", 7, (64, 48), 0, ""), synthetic_url("", 7, (64, 48), 0, pace_query(30, 1))
    first, second = ask_all(on_demand, plain, slow)
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
def test_on_demand_neither_nonsense_nor_paths_outside_the_directory_are_served(
    tmp_path: Path, path: str, code: int
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / ".hidden").write_bytes(b"hidden")
    (folder / "link.png").symlink_to(tmp_path / "secret")
    assert [answer.code for answer in ask_all(lambda: on_demand(folder), path)] == [code]


@pytest.mark.parametrize("name", ["no. 1 äß.png", os.fsdecode(b"caf\xe9.png")])
def test_a_file_is_served_by_its_name_and_read_again_when_it_changed(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    pictures = PictureCache({}, tmp_path, on_demand=True)

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


def test_the_group_asked_for_longest_ago_makes_room_and_one_that_is_too_large_is_an_error() -> None:
    one = len(encode(photograph(1, 0, 64, 48)))

    async def run() -> list[str]:
        pictures = PictureCache({}, on_demand=True, max_bytes=int(one * 2.5))
        for seed in (1, 2, 1, 3):
            await pictures.find(synthetic_url("", seed, (64, 48), 0, ""))
        kept = list(pictures._groups)
        await pictures.find(synthetic_url("", 1, (64, 48), 1, ""))
        with pytest.raises(NoRoomError):
            await pictures.find(synthetic_url("", 1, (64, 48), 2, ""))
        return kept

    assert asyncio.run(run()) == ["/synthetic/1/64x48", "/synthetic/3/64x48"]
