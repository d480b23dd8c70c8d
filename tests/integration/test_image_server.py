"""The origin as a child process, and the download kernels against it and against servers that misbehave."""

from __future__ import annotations

import gzip
import http.client
import json
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest

import orchestrator
from orchestrator.inputs.image_server import ImageServer
from orchestrator.inputs.source import parse
from orchestrator.inputs.synthetic import encode, photograph
from orchestrator.inputs.workload import prepare, verify
from worker.contract import Failure
from worker.execution import execute
from worker.settings import Settings
from worker.stages import STAGES, download
from worker.stages.download import DownloadError

ROOT = Path(orchestrator.__file__).parents[1]
DEADLINE_S = 30.0
"""No test waits longer for a child; none of them needs more than a second or two of it."""


class Served(NamedTuple):
    """An origin that is up."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def served(server: ImageServer) -> Iterator[Served]:
    """An origin as a child process; it ends when its standard input does."""
    process = _start(server.command("--end-with-stdin"))
    try:
        yield Served(_address(process), process)
    finally:
        process.communicate(timeout=DEADLINE_S)


def _start(command: list[str], **options: Any) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=ROOT, text=True, **{"stdin": pipe, "stdout": pipe, "stderr": pipe} | options
    )


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    if not select.select([process.stdout], [], [], DEADLINE_S)[0]:
        process.kill()
        raise AssertionError("the origin did not get ready")
    line = json.loads(process.stdout.readline())
    assert list(line) == ["url"]
    return str(line["url"])


@pytest.fixture(scope="module")
def origin() -> Iterator[Served]:
    with served(ImageServer(images=3, width=48, height=32, seed=4)) as up:
        yield up


class TestOrigin:
    def test_serves_the_photographs_of_its_seed(self, origin: Served) -> None:
        urls = parse("origin").urls(origin.url, 3)
        expected = [encode(photograph(4, i, 48, 32)) for i in range(3)]
        assert [download.kept_alive(url) for url in urls] == expected

    def test_serves_the_files_of_a_directory(self, tmp_path: Path) -> None:
        for name in ("b.png", "a.jpg", "c"):
            (tmp_path / name).write_bytes(name.encode() * 1000)
        urls = parse(str(tmp_path)).urls
        with served(ImageServer(directory=tmp_path, images=2)) as up:
            assert [download.kept_alive(url) for url in urls(up.url, 2)] == [b"a.jpg" * 1000, b"b.png" * 1000]
            with pytest.raises(DownloadError, match="404 Not Found"):
                download.kept_alive(urls(up.url, 3)[2])

    def test_keeps_connections_alive(self, origin: Served) -> None:
        connection = http.client.HTTPConnection(urlsplit(origin.url).netloc, timeout=DEADLINE_S)
        connection.connect()
        first = connection.sock
        for path in ("/images/0.jpg", "/images/nothing", "/health", "/images/1.jpg"):
            connection.request("GET", path)
            connection.getresponse().read()
            assert connection.sock is first
        connection.close()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_cleanly_on_a_signal(self, number: signal.Signals) -> None:
        with served(ImageServer(images=1, width=8, height=8)) as up:
            up.process.send_signal(number)
            assert up.process.wait(DEADLINE_S) == 0
            assert up.process.communicate() == ("", "")

    def test_ends_with_its_standard_input(self) -> None:
        with served(ImageServer(images=1, width=8, height=8)) as up:
            assert up.process.communicate(timeout=DEADLINE_S) == ("", "")
            assert up.process.returncode == 0

    def test_ends_with_its_standard_input_before_it_is_ready(self) -> None:
        process = _start(ImageServer(images=500, width=1000, height=1000).command("--end-with-stdin"))
        assert process.communicate(timeout=DEADLINE_S) == ("", "")
        assert process.returncode == 0

    def test_does_not_outlive_a_parent_that_is_killed(self) -> None:
        parent = (
            "import subprocess, sys;"
            "from orchestrator.inputs.image_server import ImageServer;"
            "command = ImageServer(images=1, width=8, height=8).command('--end-with-stdin');"
            "subprocess.Popen(command, stdin=subprocess.PIPE).wait()"
        )
        process = _start([sys.executable, "-c", parent])
        _address(process)  # the child writes to its parent's standard output, which it inherits
        process.kill()
        # The end of the pipe comes when the child, too, has let go of it.
        assert process.communicate(timeout=DEADLINE_S)[0] == ""

    def test_does_not_care_for_its_standard_input_unless_told(self) -> None:
        process = _start(ImageServer(images=1, width=8, height=8).command(), stdin=subprocess.DEVNULL)
        try:
            assert download.connection_each(_address(process) + "/health") == b"ok\n"
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_S)

    def test_port_in_use_exits_3_with_the_remedy(self, origin: Served) -> None:
        port = urlsplit(origin.url).port or 0
        process = _start(ImageServer(images=1, width=8, height=8, port=port).command("--end-with-stdin"))
        output, complaint = process.communicate(timeout=DEADLINE_S)
        expected = (
            f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --host or --port\n"
        )
        assert (process.returncode, output, complaint) == (3, "", expected)

    def test_empty_directory_exits_3_with_the_remedy(self, tmp_path: Path) -> None:
        process = _start(ImageServer(directory=tmp_path).command("--end-with-stdin"))
        output, complaint = process.communicate(timeout=DEADLINE_S)
        expected = f"source directory {tmp_path} holds no files; put pictures directly into it\n"
        assert (process.returncode, output, complaint) == (3, "", expected)

    def test_bad_clients_neither_stop_it_nor_make_it_talk(self) -> None:
        with served(ImageServer(images=1, width=600, height=600, latency_ms=1, bandwidth_mbit=1)) as up:
            address = urlsplit(up.url)
            for request in (b"", b"\0\1\2\r\n\r\n", b"GET /images/0.jpg HTTP/1.1\r\nHost: x\r\n\r\n"):
                with socket.create_connection((address.hostname, address.port or 0)) as client:
                    client.sendall(request)  # and away in the middle of the answer
            assert download.connection_each(up.url + "/health") == b"ok\n"
            assert up.process.communicate(timeout=DEADLINE_S) == ("", "")


class TestWorkload:
    def test_prepares_every_stage_from_an_origin_with_latency(self) -> None:
        with served(ImageServer(images=10, width=33, height=21, latency_ms=3, bandwidth_mbit=50)) as up:
            urls = (*parse("origin").urls(up.url, 10), f"{up.url}/images/10.jpg")
            made = prepare(urls)
            assert list(made.payloads["download"].values()) == list(urls)
            assert list(made.payloads["decode"].values()) == [
                encode(photograph(0, i, 33, 21)) for i in range(10)
            ]
            missing = Failure("DownloadError", f"{urls[10]} answered 404 Not Found")
            assert made.expected["download"][10] == made.expected["pipeline"][10] == missing
            for stage, known in STAGES.items():
                for kernel in known.kernels:
                    outcomes = [execute(task) for task in made.tasks(stage, kernel)]
                    assert all(verify(made.expected[stage][one.task_id], one) for one in outcomes)

    def test_pixels_survive_the_way_through_a_jpeg(self, origin: Served) -> None:
        made = prepare(parse("origin").urls(origin.url, 1), ["decode"])
        pixels = made.expected["decode"][0]
        assert isinstance(pixels, np.ndarray)
        assert abs(pixels.astype(float) - photograph(4, 0, 48, 32)).mean() < 10


class Scripted(BaseHTTPRequestHandler):
    """Answers that a good server never gives, by path."""

    protocol_version = "HTTP/1.1"
    released: threading.Event
    connections: list[int]

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
        """Deflate's empty blocks: as many as one likes, and not a byte comes of them."""
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
    """A server that does not mind clients who leave."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        return


class Bad(NamedTuple):
    """A scripted server that is up; `connections` has one entry for each that was made."""

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
    """Each download kernel in turn, with no connection left over from another test."""
    monkeypatch.setattr(download, "_local", threading.local())
    return download.KERNELS[request.param]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """Sets the limits that downloads keep to."""

    def set_limits(**values: Any) -> None:
        monkeypatch.setattr(download, "settings", lambda: Settings(**values))

    return set_limits


def failure_of(fetch: Fetch, url: str) -> str:
    """The message of the failure, the same the second time."""
    with pytest.raises(DownloadError) as error:
        fetch(url)
    with pytest.raises(DownloadError) as again:
        fetch(url)
    assert str(error.value) == str(again.value)
    return str(error.value)


class TestDownload:
    @pytest.mark.parametrize("page", ["whole", "chunked", "until-closed", "zipped", "redirect"])
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
    def test_bad_answer_is_a_failure_that_says_so(
        self, bad: Bad, fetch: Fetch, page: str, message: str
    ) -> None:
        url = f"{bad.url}/{page}"
        assert failure_of(fetch, url) == f"{url} {message}"

    def test_missing_picture_is_a_failure(self, origin: Served, fetch: Fetch) -> None:
        url = f"{origin.url}/images/3.jpg"
        assert failure_of(fetch, url) == f"{url} answered 404 Not Found"

    def test_refused_connection_is_a_failure(self, fetch: Fetch) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
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
    def test_nonsense_is_a_failure(self, fetch: Fetch, url: str, message: str) -> None:
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
    def test_server_that_stalls_is_given_up(self, bad: Bad, fetch: Fetch, limits: Limits, page: str) -> None:
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
        """Each byte comes soon enough for every timeout but that of the whole."""
        limits(download_timeout_s=0.1)
        url = f"{bad.url}/{page}"
        assert failure_of(fetch, url) == f"{url} was not read to its end in time"

    def test_redirects_are_given_up_at_the_deadline(self, bad: Bad, fetch: Fetch, limits: Limits) -> None:
        limits(download_timeout_s=1e-9)
        assert failure_of(fetch, f"{bad.url}/loop") == f"{bad.url}/loop was not read to its end in time"

    def test_only_allowed_origins_are_asked(self, bad: Bad, fetch: Fetch, limits: Limits) -> None:
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
    def test_redirect_to_nowhere_is_a_failure(self, bad: Bad, fetch: Fetch, page: str, message: str) -> None:
        assert message in failure_of(fetch, f"{bad.url}/{page}")

    def test_a_failure_leaves_the_session_fit_for_the_next_picture(
        self, bad: Bad, fetch: Fetch, limits: Limits
    ) -> None:
        limits(read_timeout_s=0.05)
        for page in ("error", "short", "hang-up", "stall", "no-gzip"):
            failure_of(fetch, f"{bad.url}/{page}")
            assert fetch(f"{bad.url}/whole") == b"whole"
