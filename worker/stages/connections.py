"""Connections of downloads: made to allowed origins alone, and read no longer than the whole download may last.

Both are seen to where they cannot be got round: the origin where the connection is chosen, by the very names
it is made with, whatever another parser reads in the URL; the time at every read of the socket, whether the
bytes are a head, the length of a chunk, or a body that unpacks to nothing.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from worker.allowed_origins import origin


class ForeignOriginError(Exception):
    """A URL leads to an origin that is not allowed; the message names that origin."""


@contextmanager
def bounded(deadline: float, allowed: tuple[str, ...]) -> Iterator[None]:
    """This thread's requests go to `allowed` origins (to any where there is none), and last until `deadline`.

    Args:
        deadline: a reading of `time.monotonic`; what is not read by then times out.
        allowed: origins in their one spelling.
    """
    _local.deadline, _local.allowed = deadline, allowed
    try:
        yield
    finally:
        del _local.deadline, _local.allowed


_local = threading.local()


class Adapter(HTTPAdapter):
    """What requests gets its connections from."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests does it, with pools of our own connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """What the connection is made with, if its origin is allowed.

        Raises:
            ForeignOriginError: it is not.
            requests.exceptions.InvalidURL: there is no host, or a port that cannot be.
        """
        try:
            host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        except ValueError as error:
            raise requests.exceptions.InvalidURL(error) from None
        asked = origin(host["scheme"], host["host"] or "", host["port"])
        if _local.allowed and asked not in _local.allowed:
            raise ForeignOriginError(asked)
        return host, pool


class _Incoming(io.RawIOBase):
    """A socket's incoming bytes; no read of it goes on beyond the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._patience_s = sock.gettimeout()
        self._deadline = deadline
        # A file of the socket's own, which keeps the socket open for as long as it is read.
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline has passed")
        self._socket.settimeout(left_s if self._patience_s is None else min(left_s, self._patience_s))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Timed:
    """What an answer takes for its socket: all that it does with it is make a file."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._socket, _local.deadline))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Timed(sock), *args, **kwargs)  # type: ignore[arg-type]  # makefile is all it asks of it


class _Connection(HTTPConnection):
    response_class = _Response


class _TLSConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
