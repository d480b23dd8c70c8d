"""A process that took Flower's port first gets no password, and its address is not shown."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from orchestrator.fleet import flower
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet

METRICS = b'flower_worker_online{worker="w1"} 1.0\n'


@pytest.fixture
def impostor() -> Iterator[tuple[int, list[str | None]]]:
    """A server that answers as Flower would, and notes the logins that it was sent."""
    logins: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            logins.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer((flower.HOST, 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, logins
        server.shutdown()


def test_the_password_is_sent_to_our_own_flower_only(
    impostor: tuple[int, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, logins = impostor
    free_port = flower._free_port
    # The port was free when we looked, and the other process took it before Flower could.
    monkeypatch.setattr(
        flower, "_free_port", lambda preferred: port if preferred == flower.PORT else free_port(preferred)
    )
    with ChildProcesses() as processes, embedded_fleet(processes, 1, events=True, origins=()) as fleet:
        access = flower.start_flower(processes, fleet.settings.broker_url, 1)
    assert logins == []
    assert not access.url.endswith(f":{port}")
