"""The image server as a child process: what it serves, and when it ends."""

from __future__ import annotations

import http.client
import json
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from worker.stages import STAGES, download
from worker.stages.download import DownloadError

ROOT = Path(orchestrator.__file__).parents[1]
DEADLINE_S = 30.0  # that a test waits for a child; a second or two is enough


class Served(NamedTuple):
    """An image server that is ready."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def served(server: ImageServer) -> Iterator[Served]:
    """Run an image server as a child process; it ends when its standard input does."""
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
        raise AssertionError("the image server did not get ready")
    line = json.loads(process.stdout.readline())
    assert list(line) == ["url"]
    return str(line["url"])


@pytest.fixture(scope="module")
def origin() -> Iterator[Served]:
    with served(ImageServer(images=3, width=48, height=32, seed=4)) as up:
        yield up


class TestImageServer:
    def test_serves_the_photographs_of_its_seed(self, origin: Served) -> None:
        urls = parse("origin").urls(origin.url, 3)
        expected = [encode(photograph(4, i, 48, 32)) for i in range(3)]
        assert [download.kept_alive(url) for url in urls] == expected

    def test_serves_the_files_of_a_directory(self, tmp_path: Path) -> None:
        for name in ("b.png", "a.jpg", "c.jpg"):
            (tmp_path / name).write_bytes(name.encode() * 1000)
        urls = parse(str(tmp_path)).urls
        with served(ImageServer(directory=tmp_path, images=2)) as up:
            assert [download.kept_alive(url) for url in urls(up.url, 2)] == [b"a.jpg" * 1000, b"b.png" * 1000]
            with pytest.raises(DownloadError, match="404 Not Found"):
                download.kept_alive(urls(up.url, 3)[2])

    @pytest.mark.parametrize("fetch", download.KERNELS.values())
    def test_a_missing_picture_is_a_failure_that_names_it(
        self, origin: Served, fetch: Callable[[str], bytes]
    ) -> None:
        url = f"{origin.url}/images/3.jpg"
        with pytest.raises(DownloadError, match=f"^{re.escape(url)} answered 404 Not Found$"):
            fetch(url)

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
        expected = f"source directory {tmp_path} holds no files; put them directly into it\n"
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
            for stage in made.payloads:
                for kernel in STAGES[stage].kernels:
                    outcomes = [execute(task) for task in made.tasks(stage, kernel)]
                    assert all(verify(made.expected[stage][one.task_id], one) for one in outcomes)

    def test_pixels_survive_the_way_through_a_jpeg(self, origin: Served) -> None:
        made = prepare(parse("origin").urls(origin.url, 1), ["decode"])
        pixels = made.expected["decode"][0]
        assert isinstance(pixels, np.ndarray)
        assert abs(pixels.astype(float) - photograph(4, 0, 48, 32)).mean() < 10
