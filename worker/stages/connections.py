"""Connections of downloads: to allowed origins only, and read no longer than the whole download may last.

Both are checked where they cannot be bypassed: the origin where the connection is chosen, by the values it is made
with, however another parser reads the URL; the time at each read of the socket, be it for a head, the length of a
chunk, or a body that unpacks to nothing.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from worker.allowed_origins import origin


class ForeignOriginError(Exception):
    """A URL leads to an origin that is not allowed; the message is that origin."""


class StaleConnectionError(Exception):
    """A server closed a connection that had served before, and answered nothing to this request."""


@contextmanager
def bounded(deadline: float, allowed: tuple[str, ...]) -> Iterator[None]:
    """Limit this thread's requests to `allowed` origins, and to the time until `deadline`.

    Args:
        deadline: a reading of `time.monotonic`; what has not been read by then times out.
        allowed: origins in canonical form; any origin if there is none.
    """
    _local.deadline, _local.allowed = deadline, allowed
    try:
        yield
    finally:
        del _local.deadline, _local.allowed


_local = threading.local()


class Adapter(HTTPAdapter):
    """Gives requests its connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use pools of our own connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Return what the connection is made with, after checking its origin.

        Raises:
            ForeignOriginError: the origin is not allowed.
            requests.exceptions.InvalidURL: the host is missing or the port invalid.
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
    """A socket's incoming bytes; no read lasts beyond the deadline."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._timeout_s = sock.gettimeout()
        self._deadline = deadline
        # The socket's own file keeps the socket open as long as it is read.
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline has passed")
        self._socket.settimeout(left_s if self._timeout_s is None else min(left_s, self._timeout_s))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Timed:
    """Stands in for the socket of a response, which only makes a file of it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._socket, _local.deadline))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Timed(sock), *args, **kwargs)  # type: ignore[arg-type]  # it calls makefile only

    def _read_status(self) -> tuple[str, int, str]:
        """Skip interim answers such as 103 Early Hints: http.client itself skips 100 Continue alone."""
        while True:
            status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # not in typeshed
            if not HTTPStatus.PROCESSING <= status[1] < HTTPStatus.OK:
                return status
            http.client.parse_headers(self.fp)


class _KeptAlive(HTTPConnection):
    """A connection that knows whether it has served a request."""

    response_class = _Response
    _served = False

    def connect(self) -> None:
        super().connect()
        self._served = False

    def request(self, *args: Any, **kwargs: Any) -> None:
        with self._once_more():
            super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        with self._once_more():
            response = super().getresponse()
        self._served = True
        return response

    @contextmanager
    def _once_more(self) -> Iterator[None]:
        try:
            yield
        except ConnectionError as error:
            if self._served:
                raise StaleConnectionError from error
            raise

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; urllib3 would give each one the whole time again."""
        error: OSError = TimeoutError()
        for *_, address in socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM):
            left_s = min(self.timeout or math.inf, _local.deadline - time.monotonic())
            if left_s <= 0:
                break
            try:
                return create_connection(
                    (str(address[0]), self.port), left_s, socket_options=self.socket_options
                )
            except OSError as failed:
                error = failed
        if isinstance(error, TimeoutError):
            raise ConnectTimeoutError(self, "no address answered in time")
        raise NewConnectionError(self, str(error)) from error


class _TLSConnection(_KeptAlive, HTTPSConnection):
    """A connection with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _KeptAlive


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
