"""Web servers that stall, reset, lie about lengths, never end or redirect in circles: the same failure everywhere."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator

import pytest

from orchestrator.strategies.base import Strategy
from orchestrator.strategies.celery import Celery
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.threads import Threads
from tests.faults.fleets import own_broker
from worker.contract import Outcome, Task
from worker.settings import settings

LIMITS = {
    "BREAKEVEN_READ_TIMEOUT_S": "0.5",
    "BREAKEVEN_DOWNLOAD_TIMEOUT_S": "2",
    "BREAKEVEN_DOWNLOAD_MAX_BYTES": "100000",
}
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


class Hostile(socketserver.BaseRequestHandler):
    """Answers each path with a different fault."""

    def handle(self) -> None:
        path = self.request.recv(65536).split(b" ")[1].decode()
        try:
            getattr(self, path.strip("/"))()
        except OSError:
            return  # the client gave up

    def good(self) -> None:
        self.request.sendall(OK + b"Content-Length: 4\r\n\r\ngood")

    def missing(self) -> None:
        self.request.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def broken(self) -> None:
        self.request.sendall(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")

    def circle(self) -> None:
        self.request.sendall(b"HTTP/1.1 302 Found\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n")

    def short(self) -> None:
        self.request.sendall(OK + b"Content-Length: 1000\r\n\r\nshort")

    def endless(self) -> None:
        self.request.sendall(OK + b"\r\n")
        while True:
            self.request.sendall(bytes(65536))

    def silent(self) -> None:
        self.request.recv(1)

    def stalls(self) -> None:
        self.request.sendall(OK + b"Content-Length: 1000\r\n\r\nhalf")
        self.request.recv(1)

    def reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()


PATHS = ("missing", "broken", "circle", "short", "endless", "silent", "stalls", "reset")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with Server(("127.0.0.1", 0), Hostile) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def limited(monkeypatch) -> Iterator[None]:
    """Low limits, in this process and on the worker, so that each fault shows soon."""
    for name, value in LIMITS.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()


def ends(strategy: Strategy, tasks: list[Task]) -> dict[int, Outcome]:
    strategy.prepare(tasks)
    return {outcome.task_id: outcome for outcome in strategy.run(tasks)}


@pytest.mark.parametrize("kernel", ["session", "requests"])
@pytest.mark.usefixtures("limited")
def test_every_bad_answer_is_the_same_failure_in_every_strategy_and_the_others_go_on(origin, kernel):
    names = ("good", *PATHS, "good")
    tasks = [Task(i, "download", kernel, f"{origin}/{name}") for i, name in enumerate(names)]
    with Serial(1) as serial, Threads(2) as threads:
        expected = ends(serial, tasks)
        in_threads = ends(threads, tasks)
    with own_broker() as broker:
        broker.start_worker("a", None, **LIMITS)
        with broker.fleet(1) as fleet, Celery(1, fleet, "redis", 1, "local") as celery:
            on_workers = ends(celery, tasks)
    failures = {i: each.failure for i, each in expected.items()}
    assert {i: each.failure for i, each in in_threads.items()} == failures
    assert {i: each.failure for i, each in on_workers.items()} == failures
    assert [expected[i].status for i in range(len(names))] == ["ok", *["failed"] * len(PATHS), "ok"]
    assert {each.type for each in failures.values() if each} == {"DownloadError"}
