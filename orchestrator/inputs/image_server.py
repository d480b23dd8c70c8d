"""The image server: pictures over HTTP, with a set latency and bandwidth, in a process of its own.

    GET /images/<i>.jpg                              picture i of a set that is in memory before the server is ready
    GET /synthetic/<seed>/<width>x<height>/<i>.jpg   on demand: a synthetic photograph, made at the first request
    GET /files/<name>                                on demand: a file of the server's directory
    GET /health                                      answered at once

On demand, the query of a URL sets the pace of its answer: `?latency_ms=10&bandwidth_mbit=100`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import mimetypes
import os
import re
import signal
import stat
import sys
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote, urlencode

from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

from orchestrator.errors import BreakevenError, UnavailableError, UsageError
from orchestrator.inputs.source import file_path, files_of, pictures_of, synthetic_path
from orchestrator.inputs.synthetic import check_size, encode, photograph

PROGRAM: Final = "orchestrator.inputs.image_server"
MAX_BYTES: Final = 2 * 1024**3  # of memory for all pictures
MAX_REQUEST_BYTES: Final = 1 << 16  # of a request's head, and of its body
MAX_LATENCY_MS: Final = 60_000.0  # that a query may ask for
MAX_BANDWIDTH_MBIT: Final = 1e6
THREADS: Final = min(4, os.cpu_count() or 1)  # that make pictures
PIECE_S: Final = 0.004  # of bandwidth in each piece of a paced body

SYNTHETIC: Final = re.compile(r"/synthetic/(\d{1,10})/(\d{1,4})x(\d{1,4})/(\d{1,6})\.jpg")
FILES: Final = "/files/"


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture as it goes over the wire."""

    body: bytes
    content_type: str


Make: TypeAlias = Callable[[], Picture]
Sleep: TypeAlias = Callable[[float], Awaitable[None]]


class NoRoomError(UsageError):
    """The pictures of one set take more memory than the server has for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageServer:
    """What to serve, where, and how fast; raises `UsageError` for a number out of its range."""

    images: int | None = 20  # in the set; None for every file of `directory`, which may also have fewer
    width: int = 800  # pixels of the set's synthetic photographs
    height: int = 800
    seed: int = 0
    latency_ms: float = 0.0  # before each answer; requests do not wait for each other
    bandwidth_mbit: float | None = None  # megabits per second of each connection; None for no limit
    directory: Path | None = None  # whose files to serve, in place of synthetic photographs or beside them
    host: str = "127.0.0.1"
    port: int = 0  # any free one
    on_demand: bool = False  # serve what each URL asks for, at its pace, in place of a set

    def __post_init__(self) -> None:
        if self.directory is None:
            check_size(self.width, self.height)
            if self.images is None:
                raise UsageError("the number of synthetic images is missing; give --images N")
        if self.images is not None and self.images < 1:
            raise UsageError(f"images {self.images} is out of range; it may be 1 or more")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is out of range; it may be 0 or more")
        if not (math.isfinite(self.latency_ms) and self.latency_ms >= 0):
            raise UsageError(f"latency {self.latency_ms} ms is out of range; it may be 0 or more")
        if self.bandwidth_mbit is not None and not (
            math.isfinite(self.bandwidth_mbit) and self.bandwidth_mbit > 0
        ):
            raise UsageError(f"bandwidth {self.bandwidth_mbit} Mbit/s is out of range; it must be over 0")
        if not 0 <= self.port <= 65535:
            raise UsageError(f"port {self.port} is out of range; it may be 0 (any free one) to 65535")

    @property
    def set(self) -> Mapping[str, Make]:
        """The URL path of each picture of the set, and the function that makes or reads it."""
        if self.on_demand:
            return {}
        if self.directory is not None:
            files = pictures_of(files_of(self.directory))[: self.images]
            return {file_path(i, file.name): partial(read_picture, file) for i, file in enumerate(files)}
        make = partial(partial, synthetic_picture, self.seed, width=self.width, height=self.height)
        return {synthetic_path(i): make(i) for i in range(self.images or 0)}

    def command(self, *flags: str) -> list[str]:
        """Return the command line of a child process that serves this, with flags of `main`."""
        return [sys.executable, "-m", PROGRAM, json.dumps(asdict(self), default=str), *flags]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long an answer takes."""

    latency_s: float = 0.0
    bytes_per_s: float | None = None

    @classmethod
    def of(cls, latency_ms: float, bandwidth_mbit: float | None) -> Pace:
        """Convert from a user's units."""
        return cls(latency_ms / 1000, bandwidth_mbit * 1e6 / 8 if bandwidth_mbit else None)


def pace_query(latency_ms: float, bandwidth_mbit: float | None) -> str:
    """Return the query of an on-demand URL that asks for a pace; empty if nothing is asked for."""
    asked = {"latency_ms": latency_ms, "bandwidth_mbit": bandwidth_mbit}
    query = urlencode({name: f"{value:.12g}" for name, value in asked.items() if value})
    return f"?{query}" if query else ""


def synthetic_url(base: str, seed: int, size: tuple[int, int], index: int, query: str) -> str:
    """Return the on-demand URL of the synthetic photograph `index`; `query` is of `pace_query`."""
    width, height = size
    return f"{base.rstrip('/')}/synthetic/{seed}/{width}x{height}/{index}.jpg{query}"


def file_url(base: str, name: str, query: str) -> str:
    """Return the on-demand URL of a file of the server's directory."""
    return f"{base.rstrip('/')}{FILES}{quote(name, safe='', errors='surrogateescape')}{query}"


def synthetic_picture(seed: int, index: int, width: int, height: int) -> Picture:
    """Make a synthetic photograph, or raise `UsageError`."""
    return Picture(encode(photograph(seed, index, width, height)), "image/jpeg")


def read_picture(file: Path) -> Picture:
    """Read a file as it is, or raise `UnavailableError`."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise UnavailableError(
            f"source file {file} cannot be read: {error.strerror}; correct its permissions or remove it"
        ) from None
    return Picture(body, mimetypes.guess_type(file.name, strict=False)[0] or "application/octet-stream")


@dataclass(slots=True)
class _Group:
    """The pictures of one folder of paths, and the memory they take."""

    pictures: dict[object, asyncio.Future[Picture]] = field(default_factory=dict)
    bytes: int = 0


@dataclass
class PictureCache:
    """Pictures by path, each made once by a few threads.

    When memory runs short, the group that has not been asked for longest is dropped. `on_demand` makes pictures beyond
    the set: synthetic photographs, and the files of `directory`.
    """

    set: Mapping[str, Make]
    directory: Path | None = None
    on_demand: bool = False
    max_bytes: int = MAX_BYTES
    _groups: OrderedDict[str, _Group] = field(default_factory=OrderedDict)
    _threads: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, THREADS))

    async def fill(self) -> None:
        """Make every picture of the set; raises what `find` does."""
        await asyncio.gather(*map(self.find, self.set))

    async def find(self, path: str) -> Picture | None:
        """Return the picture of a path, made now if it is not there; `None` for an unknown path.

        Raises:
            NoRoomError: the pictures of its group take too much memory.
            BreakevenError: it cannot be made or read.
        """
        known = self._maker(path)
        if known is None:
            return None
        key, make = known
        folder = path.rpartition("/")[0]
        group = self._groups.setdefault(folder, _Group())
        self._groups.move_to_end(folder)
        if key not in group.pictures:
            group.pictures[key] = asyncio.get_running_loop().run_in_executor(self._threads, make)
            try:
                self._count(group, await group.pictures[key])
            except BreakevenError:
                del group.pictures[key]
                if not group.pictures:
                    self._groups.pop(folder, None)  # else each size that was refused would stay in memory
                raise
        return await group.pictures[key]

    def close(self) -> None:
        """Stop making pictures."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _count(self, group: _Group, picture: Picture) -> None:
        size = len(picture.body)
        if group.bytes + size > self.max_bytes:
            raise NoRoomError(
                f"the pictures take over {self.max_bytes} bytes; serve fewer with --images, or smaller ones"
            )
        group.bytes += size
        while sum(each.bytes for each in self._groups.values()) > self.max_bytes:
            self._groups.popitem(last=False)

    def _maker(self, path: str) -> tuple[object, Make] | None:
        """Return the key of a picture within its group, and the function that makes it."""
        if path in self.set:
            return path, self.set[path]
        if not self.on_demand:
            return None
        if found := SYNTHETIC.fullmatch(path):
            seed, width, height, index = map(int, found.groups())
            return index, partial(synthetic_picture, seed, index, width, height)
        if self.directory is None or not path.startswith(FILES):
            return None
        name = unquote(path.removeprefix(FILES), errors="surrogateescape")
        if not name or name.startswith(".") or "/" in name or "\0" in name:
            return None
        file = self.directory / name
        try:
            state = file.lstat()
        except OSError:
            return None
        if not stat.S_ISREG(state.st_mode):  # links neither
            return None
        return (name, state.st_mtime_ns, state.st_size), partial(read_picture, file)


def serve(server: ImageServer, ready: Callable[[str], None], lifeline: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT, or the end of `lifeline`, a file descriptor; runs in the main thread.

    `ready` is called with the base URL when the set is in memory and the port answers.

    Raises:
        UnavailableError: the port cannot be listened on, or the directory has no files.
        UsageError: the set does not fit in memory.
    """
    asyncio.run(_serve(server, ready, lifeline))


async def _serve(server: ImageServer, ready: Callable[[str], None], lifeline: int | None) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def read(descriptor: int) -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if lifeline is not None:
        loop.add_reader(lifeline, read, lifeline)
    for name in ("tornado.general", "tornado.access"):
        logging.getLogger(name).setLevel(logging.ERROR)  # bad requests of clients are not worth a line
    try:
        sockets = bind_sockets(server.port, server.host, backlog=1024)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen on {server.host}:{server.port}: {error.strerror}; choose another --host or --port"
        ) from None
    cache = PictureCache(server.set, server.directory, server.on_demand)
    filling, ending = asyncio.ensure_future(cache.fill()), asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait({filling, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not filling.done():
            return
        filling.result()
        limits = {"max_body_size": MAX_REQUEST_BYTES, "max_header_size": MAX_REQUEST_BYTES}
        http = HTTPServer(application(cache, Pace.of(server.latency_ms, server.bandwidth_mbit)), **limits)
        http.add_sockets(sockets)
        ready(_url(server.host, sockets[0].getsockname()[1]))
        await ending
        http.stop()
        await http.close_all_connections()
    finally:
        cache.close()
        for each in sockets:
            each.close()


def _url(host: str, port: int) -> str:
    """Return the address for a client on this machine, which cannot connect to a wildcard."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def application(
    cache: PictureCache,
    pace: Pace = Pace(),
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Application:
    """Return the web application that serves `cache`; `pace` is for every answer but those on demand."""
    arguments = {"cache": cache, "pace": pace, "sleep": sleep, "clock": clock}
    return Application([("/health", _Health), (".*", _Pictures, arguments)], log_function=lambda _: None)


def pieces(size: int, bytes_per_s: float) -> Iterator[tuple[float, int, int]]:
    """Yield the start and end of each piece of a paced body, and when a line of this bandwidth has carried it."""
    step = max(1, round(bytes_per_s * PIECE_S))
    for start in range(0, size, step):
        end = min(size, start + step)
        yield end / bytes_per_s, start, end


class _Handler(RequestHandler):
    """Answers without entity tags, which would cost a hash of every body, and with plain errors."""

    where = ""  # to find pictures, for a 404

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/plain; charset=utf-8")

    def compute_etag(self) -> None:
        return None

    def write_error(self, status_code: int, **_: Any) -> None:
        hint = f"; pictures are at {self.where}" if status_code == 404 and self.where else ""
        self.finish(f"{status_code} {self._reason}{hint}\n")


class _Health(_Handler):
    def get(self) -> None:
        self.finish("ok\n")

    head = get


class _Pictures(_Handler):
    """Sends the picture of a path after a latency and at a bandwidth."""

    def initialize(self, cache: PictureCache, pace: Pace, sleep: Sleep, clock: Callable[[], float]) -> None:
        self.cache, self.pace, self.sleep, self.clock = cache, pace, sleep, clock
        self.where = next((f"{path} and on" for path in cache.set), "")
        if cache.on_demand:
            self.where = "/synthetic/SEED/WIDTHxHEIGHT/I.jpg and /files/NAME"

    async def get(self) -> None:
        pace = self.pace
        if self.cache.on_demand:
            latency_ms = self._number("latency_ms", MAX_LATENCY_MS)
            pace = Pace.of(latency_ms, self._number("bandwidth_mbit", MAX_BANDWIDTH_MBIT))
        if pace.latency_s:
            await self.sleep(pace.latency_s)
        try:
            picture = await self.cache.find(self.request.path)
        except BreakevenError as error:
            code = 507 if isinstance(error, NoRoomError) else 400 if isinstance(error, UsageError) else 404
            raise HTTPError(code) from None
        if picture is None:
            raise HTTPError(404)
        self.set_header("Content-Type", picture.content_type)
        self.set_header("Content-Length", len(picture.body))
        if self.request.method == "HEAD":
            self.finish()
        elif pace.bytes_per_s is None:
            self.finish(picture.body)
        else:
            await self._send_paced(picture.body, pace.bytes_per_s)

    head = get

    def _number(self, name: str, most: float) -> float:
        try:
            value = float(self.get_query_argument(name, "0"))
        except ValueError:
            value = math.nan
        if not 0 <= value <= most:
            raise HTTPError(400)
        return value

    async def _send_paced(self, body: bytes, bytes_per_s: float) -> None:
        connection = self.request.connection
        if isinstance(connection, HTTP1Connection):
            # A small piece must not wait until the last one is acknowledged.
            connection.stream.set_nodelay(True)
        began = self.clock()
        try:
            for due_s, start, end in pieces(len(body), bytes_per_s):
                await self.sleep(max(0.0, began + due_s - self.clock()))
                self.write(body[start:end])
                await self.flush()
        except StreamClosedError:
            return  # the client left


def main(arguments: Sequence[str]) -> int:
    """Run as the child process of `ImageServer.command`; return the exit code.

    Prints `{"url": "http://127.0.0.1:PORT"}` when it is ready. With `--end-with-stdin` it ends with its standard input.
    """
    options = json.loads(arguments[0])
    directory = options.pop("directory", None)
    lifeline = 0 if "--end-with-stdin" in arguments else None
    try:
        serve(
            ImageServer(**options, directory=directory and Path(directory)),
            lambda url: print(json.dumps({"url": url}), flush=True),  # noqa: T201 - the parent reads it
            lifeline,
        )
    except BreakevenError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
