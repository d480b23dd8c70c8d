"""An origin that serves whatever a URL names: one for many runs, and for workers on other machines.

    GET /synthetic/<seed>/<width>x<height>/<i>.jpg   the synthetic photograph i of that set, in that size
    GET /files/<name>                                a file of the folder that the origin was started with
    GET /health                                      answers at once

`?latency_ms=10&bandwidth_mbit=100` says how long the answer takes. A picture is made or read when it is first
asked for, and then kept: a run fetches each of its pictures once before its clock starts.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote, unquote, urlencode

from tornado.web import HTTPError

from orchestrator.errors import BreakevenError, UnavailableError, UsageError
from orchestrator.inputs.catalogue import Picture, read_picture, synthetic_picture
from orchestrator.inputs.server import answer, ended_by_signal, listening, url
from orchestrator.inputs.web import Pace, PacedHandler, application_of

MAX_BYTES: Final = 2 * 1024**3
"""What the pictures may take in memory together."""

LONGEST_MS: Final = 60_000.0
MOST_MBIT: Final = 1e6

SYNTHETIC: Final = re.compile(r"/synthetic/(\d{1,10})/(\d{1,4})x(\d{1,4})/(\d{1,6})\.jpg")
FILES: Final = "/files/"

Make: TypeAlias = Callable[[], Picture]


class NoRoomError(Exception):
    """The pictures of one set alone take more memory than there is."""


def synthetic_url(base: str, seed: int, size: tuple[int, int], index: int, pace: str) -> str:
    """Where an origin at `base` has the synthetic photograph `index`; `pace` is of `pace_of`."""
    width, height = size
    return f"{base.rstrip('/')}/synthetic/{seed}/{width}x{height}/{index}.jpg{pace}"


def file_url(base: str, name: str, pace: str) -> str:
    """Where an origin at `base` has a file of its folder."""
    return f"{base.rstrip('/')}{FILES}{quote(name, safe='')}{pace}"


def pace_of(latency_ms: float, bandwidth_mbit: float | None) -> str:
    """The end of a URL whose answer takes so long; empty where it takes no time of its own."""
    asked = {"latency_ms": latency_ms, "bandwidth_mbit": bandwidth_mbit}
    query = urlencode({name: f"{value:.12g}" for name, value in asked.items() if value})
    return f"?{query}" if query else ""


def serve_on_demand(host: str, port: int, folder: Path | None, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; runs in the main thread of a process of its own.

    Args:
        host: address to listen on.
        port: port to listen on; 0 is any free one.
        folder: whose files to serve beside synthetic photographs.
        ready: called once with the base URL, when the port answers.

    Raises:
        UnavailableError: the port cannot be listened on.
    """

    async def run() -> None:
        ended = ended_by_signal()
        with listening(host, port) as sockets:
            images = application_of(Demanded, {"pictures": Pictures(folder)})
            await answer(images, sockets, lambda bound: ready(url(host, bound)), ended)

    asyncio.run(run())


@dataclass(slots=True)
class _Set:
    """Pictures that share a path up to the last slash, and what they take in memory."""

    pictures: dict[object, asyncio.Future[Picture]] = field(default_factory=dict)
    bytes: int = 0


class Pictures:
    """Pictures by path, each made once; where memory runs short, the set that was not asked for longest goes."""

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        """None is made yet."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._sets: OrderedDict[str, _Set] = OrderedDict()
        self._threads = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1))

    async def find(self, path: str) -> Picture | None:
        """The picture of a path, made now if it is not there; `None` where the path names none.

        Raises:
            NoRoomError: the pictures of its set take too much memory.
            UsageError: its size is out of range.
            UnavailableError: its file cannot be read.
        """
        known = self._maker(path)
        if known is None:
            return None
        key, make = known
        name = path.rpartition("/")[0]
        set_ = self._sets.setdefault(name, _Set())
        self._sets.move_to_end(name)
        if key not in set_.pictures:
            set_.pictures[key] = asyncio.get_running_loop().run_in_executor(self._threads, make)
            try:
                self._keep(set_, await set_.pictures[key])
            except (BreakevenError, NoRoomError):
                del set_.pictures[key]
                raise
        return await set_.pictures[key]

    def _keep(self, set_: _Set, picture: Picture) -> None:
        size = len(picture.body)
        if set_.bytes + size > self._max_bytes:
            raise NoRoomError
        set_.bytes += size
        while sum(each.bytes for each in self._sets.values()) > self._max_bytes:
            self._sets.popitem(last=False)

    def _maker(self, path: str) -> tuple[object, Make] | None:
        """What tells a picture from others of its set, and the function that makes it."""
        if found := SYNTHETIC.fullmatch(path):
            seed, width, height, index = map(int, found.groups())
            return index, partial(synthetic_picture, seed, index, width, height)
        if self._folder is None or not path.startswith(FILES):
            return None
        name = unquote(path.removeprefix(FILES))
        if not name or name.startswith(".") or "/" in name or "\0" in name:
            return None
        file = self._folder / name
        try:
            state = file.stat(follow_symlinks=False)
        except OSError:
            return None
        if file.is_symlink() or not file.is_file():
            return None
        return (name, state.st_mtime_ns, state.st_size), partial(read_picture, file)


class Demanded(PacedHandler):
    """Sends the picture that a URL names at the pace that it asks for."""

    where = "/synthetic/SEED/WIDTHxHEIGHT/I.jpg and /files/NAME"

    def initialize(self, pictures: Pictures) -> None:
        """Whose pictures these are."""
        self.pictures = pictures

    async def get(self) -> None:
        """The picture of this path; 400 where the query makes no sense, 507 where there is no room for it."""
        bandwidth_mbit = self._number("bandwidth_mbit", MOST_MBIT)
        pace = Pace(
            self._number("latency_ms", LONGEST_MS) / 1000,
            bandwidth_mbit * 1e6 / 8 if bandwidth_mbit else None,
            asyncio.sleep,
            asyncio.get_running_loop().time,
        )
        if pace.latency_s:
            await pace.sleep(pace.latency_s)
        try:
            picture = await self.pictures.find(self.request.path)
        except NoRoomError:
            raise HTTPError(507) from None
        except UsageError:
            raise HTTPError(400) from None
        except UnavailableError:
            raise HTTPError(404) from None
        await self.send(picture, pace)

    head = get

    def _number(self, name: str, most: float) -> float:
        """A number of the query, 0 where it is not there."""
        text = self.get_query_argument(name, "0")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= most:
            raise HTTPError(400)
        return value
