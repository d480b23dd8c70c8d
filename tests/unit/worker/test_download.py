"""Downloads: their failures against servers that misbehave, and what they take from the environment."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from worker.settings import Settings
from worker.stages import download
from worker.stages.download import DownloadError

DEADLINE_S = 30.0  # that a scripted server waits for the end of its test


class Scripted(BaseHTTPRequestHandler):
    """Answers of servers that misbehave, and of some that do not, by path."""

    protocol_version = "HTTP/1.1"
    released: threading.Event
    connections: list[int]
    asked = False

    def setup(self) -> None:
        super().setup()
        self.connections.append(self.client_address[1])

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        getattr(self, self.path.strip("/").replace("-", "_"))()

    def _say(self, head: str, body: bytes = b"") -> None:
        self.wfile.write(f"HTTP/1.1 {head}\r\n\r\n".encode() + body)

    def whole(self) -> None:
        self._say("200 OK\r\nContent-Length: 5", b"whole")

    def hang_up_when_asked_again(self) -> None:
        if self.asked:
            self.close_connection = True
        else:
            self.asked = True
            self.whole()

    def early_hints(self) -> None:
        self._say("103 Early Hints\r\nLink: </style.css>; rel=preload")
        self.whole()

    def chunked(self) -> None:
        self._say("200 OK\r\nTransfer-Encoding: chunked", b"3\r\nwho\r\n2\r\nle\r\n0\r\n\r\n")

    def until_closed(self) -> None:
        self._say("200 OK", b"whole")
        self.close_connection = True

    def zipped(self) -> None:
        body = gzip.compress(b"whole")
        self._say(f"200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}", body)

    def empty(self) -> None:
        self._say("200 OK\r\nContent-Length: 0")

    def error(self) -> None:
        self._say("503 Try Later\r\nContent-Length: 4", b"busy")

    def no_content(self) -> None:
        self._say("204 No Content")

    def short(self) -> None:
        self._say("200 OK\r\nContent-Length: 100", b"short")
        self.close_connection = True

    def short_chunk(self) -> None:
        self._say("200 OK\r\nTransfer-Encoding: chunked", b"64\r\nshort")
        self.close_connection = True

    def hang_up(self) -> None:
        self.close_connection = True

    def no_http(self) -> None:
        self.wfile.write(b"SSH-2.0-nothing\r\n")
        self.close_connection = True

    def no_gzip(self) -> None:
        self._say("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5", b"whole")

    def endless(self) -> None:
        self._say("200 OK")
        self._forever()

    def _forever(self) -> None:
        while not self.released.is_set():
            self.wfile.write(b"x" * 4096)

    def zip_bomb(self) -> None:
        body = gzip.compress(bytes(1 << 20))
        self._say(f"200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}", body)

    def silent(self) -> None:
        self.released.wait(DEADLINE_S)

    def stall(self) -> None:
        self._say("200 OK\r\nContent-Length: 100", b"x")
        self.released.wait(DEADLINE_S)

    def stall_in_a_chunk(self) -> None:
        self._say("200 OK\r\nTransfer-Encoding: chunked", b"64\r\nx")
        self.released.wait(DEADLINE_S)

    def trickle(self) -> None:
        self._say("200 OK\r\nContent-Length: 1000000")
        self._drip(b"x")

    def trickled_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-")
        self._drip(b"x")

    def trickled_chunk_length(self) -> None:
        self._say("200 OK\r\nTransfer-Encoding: chunked", b"1;")
        self._drip(b"x")

    def trickled_trailer(self) -> None:
        self._say("200 OK\r\nTransfer-Encoding: chunked", b"5\r\nwhole\r\n0\r\n")
        self._drip(b"X: y\r\n")

    def packed_nothing(self) -> None:
        """Send deflate's empty blocks without end: none of them unpacks to a byte."""
        self._say("200 OK\r\nContent-Encoding: deflate", b"\x78\x9c")
        while not self.released.is_set():
            self.wfile.write(b"\x00\x00\x00\xff\xff" * 100)

    def _drip(self, drop: bytes) -> None:
        while not self.released.wait(0.01):
            self.wfile.write(drop)

    def redirect(self) -> None:
        self._say("302 Found\r\nLocation: whole\r\nContent-Length: 4", b"gone")

    def endless_redirect(self) -> None:
        self._say("302 Found\r\nLocation: whole")
        self._forever()

    def loop(self) -> None:
        self._say("301 Moved\r\nLocation: /loop\r\nContent-Length: 0")

    def away(self) -> None:
        self._say("302 Found\r\nLocation: http://169.254.169.254/secrets\r\nContent-Length: 0")

    def to_file(self) -> None:
        self._say("302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0")

    def to_nonsense(self) -> None:
        self._say("302 Found\r\nLocation: http://[::1/\r\nContent-Length: 0")


class QuietServer(ThreadingHTTPServer):
    """A server that ignores clients who leave."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        return


class Bad(NamedTuple):
    """A scripted server that is ready, and the port of each client's connection."""

    url: str
    connections: list[int]


@pytest.fixture
def bad() -> Iterator[Bad]:
    released, connections = threading.Event(), list[int]()
    handler = type("Handler", (Scripted,), {"released": released, "connections": connections})
    with QuietServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Bad(f"http://127.0.0.1:{server.server_address[1]}", connections)
        finally:
            released.set()
            server.shutdown()
            thread.join()


Fetch = Callable[[str], bytes]
Limits = Callable[..., None]


@pytest.fixture(params=download.KERNELS)
def fetch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Each download kernel, without a connection from another test."""
    monkeypatch.setattr(download, "_local", threading.local())
    return download.KERNELS[request.param]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """Sets the limits of downloads."""

    def set_limits(**values: Any) -> None:
        monkeypatch.setattr(download, "settings", lambda: Settings(**values))

    return set_limits


def failure_of(fetch: Fetch, url: str) -> str:
    """Return the message of the failure, which is the same the second time."""
    with pytest.raises(DownloadError) as error:
        fetch(url)
    with pytest.raises(DownloadError) as again:
        fetch(url)
    assert str(error.value) == str(again.value)
    return str(error.value)


class TestDownload:
    @pytest.mark.parametrize(
        "page",
        ["whole", "chunked", "until-closed", "zipped", "redirect", "early-hints", "hang-up-when-asked-again"],
    )
    def test_every_way_to_send_a_body_gives_the_body(self, bad: Bad, fetch: Fetch, page: str) -> None:
        assert [fetch(f"{bad.url}/{page}") for _ in range(3)] == [b"whole"] * 3

    def test_empty_body_is_empty(self, bad: Bad, fetch: Fetch) -> None:
        assert fetch(f"{bad.url}/empty") == b""

    @pytest.mark.parametrize("page", ["whole", "chunked", "zipped", "empty"])
    def test_session_keeps_its_connection_and_requests_makes_one_each(self, bad: Bad, page: str) -> None:
        for _ in range(3):
            download.KERNELS["requests"](f"{bad.url}/{page}")
        assert len(bad.connections) == 3
        for _ in range(3):
            download.KERNELS["session"](f"{bad.url}/{page}")
        assert len(bad.connections) == 4

    @pytest.mark.parametrize(
        ("page", "message"),
        [
            ("error", "answered 503 Try Later"),
            ("no-content", "answered 204 No Content"),
            ("short", "broke off: ProtocolError"),
            ("short-chunk", "broke off: ProtocolError"),
            ("hang-up", "cannot be reached: connection failed"),
            ("no-http", "cannot be reached: connection failed"),
            ("no-gzip", "broke off: DecodeError"),
            ("loop", "redirects more than 5 times"),
        ],
    )
    def test_a_bad_answer_is_a_failure_that_names_the_reason(
        self, bad: Bad, fetch: Fetch, page: str, message: str
    ) -> None:
        url = f"{bad.url}/{page}"
        assert failure_of(fetch, url) == f"{url} {message}"

    def test_refused_connection_is_a_failure(self, fetch: Fetch) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening, so that no other process gets the port
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
            assert failure_of(fetch, url) == f"{url} cannot be reached: Connection refused"

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("ftp://127.0.0.1/x", "is neither http nor https"),
            ("/etc/passwd", "is neither http nor https"),
            ("", "is neither http nor https"),
            ("http://", "is not a valid URL"),
            ("http://[::1/x", "is not a valid URL"),
            ("http://127.0.0.1:port/x", "is not a valid URL"),
            ("http://.x/", "is not a valid URL"),
        ],
    )
    def test_an_invalid_url_is_a_failure(self, fetch: Fetch, url: str, message: str) -> None:
        assert failure_of(fetch, url) == f"{url} {message}"

    def test_body_at_the_cap_passes_and_one_byte_more_does_not(
        self, bad: Bad, fetch: Fetch, limits: Limits
    ) -> None:
        url = f"{bad.url}/whole"
        limits(download_max_bytes=5)
        assert fetch(url) == b"whole"
        limits(download_max_bytes=4)
        assert failure_of(fetch, url) == f"{url} is over the limit of 4 bytes"

    @pytest.mark.parametrize("page", ["endless", "zip-bomb"])
    def test_huge_body_ends_at_the_cap(self, bad: Bad, fetch: Fetch, limits: Limits, page: str) -> None:
        limits(download_max_bytes=100_000)
        url = f"{bad.url}/{page}"
        assert failure_of(fetch, url) == f"{url} is over the limit of 100000 bytes"

    @pytest.mark.parametrize("page", ["silent", "stall", "stall-in-a-chunk"])
    def test_a_server_that_stalls_is_a_failure(
        self, bad: Bad, fetch: Fetch, limits: Limits, page: str
    ) -> None:
        limits(read_timeout_s=0.05)
        url = f"{bad.url}/{page}"
        assert failure_of(fetch, url) == f"{url} gave no answer in time"

    @pytest.mark.parametrize("page", ["stall", "stall-in-a-chunk", "silent", "endless", "trickle"])
    def test_a_body_that_does_not_end_is_given_up_at_the_deadline(
        self, bad: Bad, fetch: Fetch, limits: Limits, page: str
    ) -> None:
        limits(download_timeout_s=0.1, download_max_bytes=1 << 40)
        url = f"{bad.url}/{page}"
        assert failure_of(fetch, url) == f"{url} was not read to its end in time"

    @pytest.mark.parametrize(
        "page", ["trickled-head", "trickled-chunk-length", "trickled-trailer", "packed-nothing"]
    )
    def test_bytes_that_never_become_a_body_are_given_up_at_the_deadline(
        self, bad: Bad, fetch: Fetch, limits: Limits, page: str
    ) -> None:
        """Each byte comes in time for every timeout but that of the whole download."""
        limits(download_timeout_s=0.1)
        url = f"{bad.url}/{page}"
        assert failure_of(fetch, url) == f"{url} was not read to its end in time"

    def test_redirects_are_given_up_at_the_deadline(self, bad: Bad, fetch: Fetch, limits: Limits) -> None:
        limits(download_timeout_s=1e-9)
        assert failure_of(fetch, f"{bad.url}/loop") == f"{bad.url}/loop was not read to its end in time"

    def test_only_allowed_origins_are_connected_to(self, bad: Bad, fetch: Fetch, limits: Limits) -> None:
        url = f"{bad.url}/whole"
        limits(allowed_origins=("http://origin:8000", "http://other:1"))
        names = "BREAKEVEN_ALLOWED_ORIGINS names http://origin:8000, http://other:1"
        assert failure_of(fetch, url) == f"{url} is not an allowed origin ({bad.url}); {names}"
        assert bad.connections == []

    def test_redirect_within_the_allowed_origin_is_followed(
        self, bad: Bad, fetch: Fetch, limits: Limits
    ) -> None:
        limits(allowed_origins=(bad.url,))
        assert fetch(f"{bad.url}/redirect") == b"whole"

    def test_body_of_a_redirect_is_not_read(self, bad: Bad, fetch: Fetch) -> None:
        assert fetch(f"{bad.url}/endless-redirect") == b"whole"

    def test_redirect_out_of_the_allowed_origin_is_not(self, bad: Bad, fetch: Fetch, limits: Limits) -> None:
        limits(allowed_origins=(bad.url,))
        expected = (
            "http://169.254.169.254/secrets is not an allowed origin (http://169.254.169.254:80); "
            f"BREAKEVEN_ALLOWED_ORIGINS names {bad.url}"
        )
        assert failure_of(fetch, f"{bad.url}/away") == expected

    @pytest.mark.parametrize(
        ("page", "message"),
        [
            ("to-file", "file:///etc/passwd is neither http nor https"),
            ("to-nonsense", "/to-nonsense redirects to http://[::1/, which is not a URL"),
        ],
    )
    def test_a_redirect_to_an_invalid_url_is_a_failure(
        self, bad: Bad, fetch: Fetch, page: str, message: str
    ) -> None:
        assert message in failure_of(fetch, f"{bad.url}/{page}")

    def test_after_a_failure_the_session_downloads_the_next_picture(
        self, bad: Bad, fetch: Fetch, limits: Limits
    ) -> None:
        limits(read_timeout_s=0.05)
        for page in ("error", "short", "hang-up", "stall", "no-gzip"):
            failure_of(fetch, f"{bad.url}/{page}")
            assert fetch(f"{bad.url}/whole") == b"whole"


class Echo(BaseHTTPRequestHandler):
    """Answers with the head of the request."""

    def log_message(self, *_: Any) -> None:
        return

    def do_GET(self) -> None:
        body = f"{self.path}\n{self.headers}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def origin() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_proxy_in_the_environment_is_ignored(
    origin: str, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(f"{origin}/x.jpg").startswith(b"/x.jpg\n")


def test_a_password_in_a_netrc_is_not_sent(
    origin: str, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert b"Authorization" not in fetch(f"{origin}/x.jpg")


def test_certificates_are_verified_with_the_bundle_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    assert download._Session().verify is True
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/company.pem")
    assert download._Session().verify == "/etc/company.pem"
