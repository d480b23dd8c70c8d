"""An HTTP server that answers until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from orchestrator.errors import UnavailableError

MOST_ASKED = 1 << 16
"""Bytes of a request's head, and of its body: a picture is asked for in a line."""


def ended_by_signal() -> asyncio.Event:
    """Set by SIGINT and SIGTERM; to be made in the main thread, with the loop running."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets that listen on a port, 0 for any free one; nobody answers there yet.

    Raises:
        UnavailableError: it is taken, or the address is not this machine's.
    """
    try:
        sockets = bind_sockets(port, host, backlog=1024)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --host or --port"
        ) from None
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


async def answer(
    application: Application, sockets: list[socket.socket], ready: Callable[[int], None], ended: asyncio.Event
) -> None:
    """Serve `application` on `sockets` until `ended`; `ready` is told the port as soon as it answers."""
    for name in ("tornado.general", "tornado.access"):
        logging.getLogger(name).setLevel(logging.ERROR)  # a client's bad request is no news
    server = HTTPServer(application, max_body_size=MOST_ASKED, max_header_size=MOST_ASKED)
    server.add_sockets(sockets)
    ready(sockets[0].getsockname()[1])
    await ended.wait()
    server.stop()
    await server.close_all_connections()


def url(host: str, port: int) -> str:
    """The address for a client on this machine: a wildcard is no address."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
