"""A download asks nobody but the origin: no proxy, no file with passwords, no certificate that was not named."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from worker.stages import download


class Told(BaseHTTPRequestHandler):
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
    with HTTPServer(("127.0.0.1", 0), Told) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(params=download.KERNELS)
def fetch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bytes]:
    monkeypatch.setattr(download, "_local", threading.local())
    return download.KERNELS[request.param]


def test_a_proxy_of_the_environment_is_not_asked(
    origin: str, fetch: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch(f"{origin}/x.jpg").startswith(b"/x.jpg\n")


def test_no_password_of_a_netrc_is_sent(
    origin: str, fetch: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert b"Authorization" not in fetch(f"{origin}/x.jpg")


def test_certificates_are_verified_by_the_bundle_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    assert download._Session().verify is True
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/company.pem")
    assert download._Session().verify == "/etc/company.pem"
