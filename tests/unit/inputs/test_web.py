"""How an origin answers, on a clock that only its own sleeps move."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from orchestrator.inputs.catalogue import Picture
from orchestrator.inputs.web import PIECE_S, application, pieces

PICTURES = {
    "/images/0.jpg": Picture(bytes(range(256)) * 40, "image/jpeg"),
    "/images/1.png": Picture(b"", "image/png"),
}


@dataclass
class FakeTime:
    """A clock that stands still but for `sleep`, which moves it and notes how far."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def ask(
    path: str,
    method: str = "GET",
    latency_s: float = 0.0,
    bytes_per_s: float | None = None,
    time: FakeTime | None = None,
) -> HTTPResponse:
    """One request to an origin that serves `PICTURES`."""
    fake = time or FakeTime()

    async def once(get: Callable[[str], Awaitable[HTTPResponse]]) -> HTTPResponse:
        listening, port = bind_unused_port()
        server = HTTPServer(application(PICTURES, latency_s, bytes_per_s, fake.sleep, fake.clock))
        server.add_socket(listening)
        try:
            return await get(f"http://127.0.0.1:{port}{path}")
        finally:
            server.stop()
            await server.close_all_connections()

    body = b"" if method == "POST" else None
    return asyncio.run(
        once(lambda url: AsyncHTTPClient().fetch(url, method=method, body=body, raise_error=False))
    )


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
def test_unknown_path_is_a_plain_404_that_says_where_pictures_are(path: str) -> None:
    response = ask(path)
    assert (response.code, response.body) == (404, b"404 Not Found; pictures are at /images/0.jpg and on\n")


def test_query_does_not_matter() -> None:
    assert ask("/images/0.jpg?now=1").code == 200


def test_other_methods_are_refused() -> None:
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


def test_a_paced_body_takes_what_its_bandwidth_makes_of_its_size() -> None:
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
        server = HTTPServer(application(PICTURES, 1.0, None, sleep))
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
