"""How an origin answers: pictures by path, each after a latency and at a bandwidth of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler

from orchestrator.inputs.catalogue import Picture

PIECE_S = 0.004
"""A paced body goes out in pieces that take this long each, the last one exactly when its time is up."""

NOT_FOUND = 404


def application(
    pictures: Mapping[str, Picture],
    latency_s: float,
    bytes_per_s: float | None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Application:
    """The web application that serves `pictures` by path, `latency_s` after each request.

    Args:
        pictures: URL path to picture.
        latency_s: seconds before each answer, a refusal too.
        bytes_per_s: what a connection carries; `None` for no limit.
        sleep: waits for a number of seconds without holding up other requests.
        clock: seconds.
    """
    pace = Pace(latency_s, bytes_per_s, sleep, clock)
    return application_of(Images, {"pictures": pictures, "pace": pace})


def application_of(images: type[RequestHandler], arguments: dict[str, Any]) -> Application:
    """A web application that answers for its health, and leaves everything else to `images`; it logs nothing."""
    return Application([("/health", _Health), (".*", images, arguments)], log_function=lambda _: None)


def pieces(size: int, bytes_per_s: float) -> Iterator[tuple[float, int, int]]:
    """How a body of `size` bytes goes out: each piece's due time in seconds, its start and its end.

    A piece is due when a line of this bandwidth would have carried all of it, so the last one is due after
    exactly `size / bytes_per_s`.
    """
    step = max(1, round(bytes_per_s * PIECE_S))
    for start in range(0, size, step):
        end = min(size, start + step)
        yield end / bytes_per_s, start, end


@dataclass(frozen=True, slots=True)
class Pace:
    """How long an answer takes, and the clock that it is taken from."""

    latency_s: float
    bytes_per_s: float | None
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float]


class _Handler(RequestHandler):
    """What both answers share: no entity tag (it would cost a hash of every body), and plain errors."""

    where = ""
    """Where pictures are, for whoever asks elsewhere."""

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/plain; charset=utf-8")

    def compute_etag(self) -> None:
        return None

    def write_error(self, status_code: int, **_: Any) -> None:
        hint = f"; pictures are at {self.where}" if status_code == NOT_FOUND and self.where else ""
        self.finish(f"{status_code} {self._reason}{hint}\n")


class _Health(_Handler):
    def get(self) -> None:
        self.finish("ok\n")

    head = get


class PacedHandler(_Handler):
    """Sends a picture after a latency and at a bandwidth."""

    async def send(self, picture: Picture | None, pace: Pace) -> None:
        """The picture, or 404 where there is none; the latency has passed already."""
        if picture is None:
            raise HTTPError(NOT_FOUND)
        self.set_header("Content-Type", picture.content_type)
        self.set_header("Content-Length", len(picture.body))
        if self.request.method == "HEAD":
            self.finish()
        elif pace.bytes_per_s is None:
            self.finish(picture.body)
        else:
            await self._paced(picture.body, pace, pace.bytes_per_s)

    async def _paced(self, body: bytes, pace: Pace, bytes_per_s: float) -> None:
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection):
            # A small piece must not wait until the last one is acknowledged.
            connection.stream.set_nodelay(True)
        began = pace.clock()
        try:
            for due_s, start, end in pieces(len(body), bytes_per_s):
                await pace.sleep(max(0.0, began + due_s - pace.clock()))
                self.write(body[start:end])
                await self.flush()
        except StreamClosedError:
            return  # the client went away, which is its right


class Images(PacedHandler):
    """Pictures that are all in memory, every one at the same pace."""

    def initialize(self, pictures: Mapping[str, Picture], pace: Pace) -> None:
        """What there is, and how it goes out."""
        self.pictures = pictures
        self.pace = pace
        self.where = next((f"{path} and on" for path in pictures), "")

    async def get(self) -> None:
        """The picture of this path."""
        if self.pace.latency_s:
            await self.pace.sleep(self.pace.latency_s)
        await self.send(self.pictures.get(self.request.path), self.pace)

    head = get
