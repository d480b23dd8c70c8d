"""A server gets no cookie back, and a name with many addresses no more time than one with one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from worker.settings import Settings
from worker.stages import connections, download


@pytest.fixture
def cookies() -> Iterator[tuple[str, list[str | None]]]:
    """A server that sets a new cookie with each answer, also of a redirect, and the cookies that it was sent."""
    sent: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            sent.append(self.headers["Cookie"])
            self.send_response(302 if self.path == "/redirect" else 200)
            self.send_header("Set-Cookie", f"name{len(sent)}=value; Path=/")
            self.send_header("Location", "/picture")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", sent
        server.shutdown()


@pytest.mark.parametrize("kernel", download.KERNELS)
def test_no_cookie_is_kept_or_sent(
    kernel: str, cookies: tuple[str, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, sent = cookies
    monkeypatch.setattr(download, "_local", threading.local())
    for path in ("/picture", "/redirect", "/picture"):
        download.KERNELS[kernel](url + path)
    assert sent == [None] * 4
    if kernel == "session":
        assert len(download._local.session.cookies) == 0


def test_all_addresses_of_a_name_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now, tried = 0.0, list[str]()

    class Hanging:
        """A socket whose connection takes all the time it is given."""

        def __init__(self, *_: object) -> None:
            self.timeout_s = 0.0

        def settimeout(self, timeout_s: float) -> None:
            self.timeout_s = timeout_s

        def connect(self, address: tuple[str, int]) -> None:
            nonlocal now
            tried.append(address[0])
            now += self.timeout_s
            raise TimeoutError

        def setsockopt(self, *_: object) -> None:
            pass

        def close(self) -> None:
            pass

    def resolve(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        found = [f"192.0.2.{i}" for i in range(8)] if host == "many.example" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "socket", Hanging)
    monkeypatch.setattr(connections.time, "monotonic", lambda: now)
    monkeypatch.setattr(download, "settings", lambda: Settings(download_timeout_s=5, connect_timeout_s=2))
    with pytest.raises(download.DownloadError, match="was not read to its end in time"):
        download.connection_each("http://many.example/x.jpg")
    assert now == 5
    assert tried == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]
