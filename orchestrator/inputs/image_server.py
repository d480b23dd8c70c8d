"""The origin: an HTTP server, in a process of its own, that serves pictures with a set latency and bandwidth.

    GET /images/<i>.jpg   picture i; of a directory, with its file's suffix
    GET /health           answers at once

Every picture lies in memory before the server says that it is ready, so none is made while a client is timed.

As a child process: `python -m orchestrator.inputs.image_server --images 20 --end-with-stdin` prints one line of
JSON, `{"url": "http://127.0.0.1:PORT"}`, when it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import BreakevenError, UsageError
from orchestrator.inputs import catalogue
from orchestrator.inputs.catalogue import Catalogue, Picture
from orchestrator.inputs.server import answer, ended_by_signal, listening, url
from orchestrator.inputs.synthetic import check_size
from orchestrator.inputs.web import application

MAX_BYTES = 2 * 1024**3
"""What the pictures may take in memory together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an origin serves, where, and how fast.

    Synthetic photographs of `width` x `height` from `seed`, or the files of `directory`; in both cases
    `images` of them (a directory may have fewer; `None` serves all of its files). `latency_ms` passes
    before each answer, whatever else is going on; `bandwidth_mbit`, in megabits a second, is each
    connection's own, and `None` sets no limit. Port 0 is any free one.

    Raises:
        UsageError: a number is out of its range.
    """

    images: int | None = 20
    width: int = 800
    height: int = 800
    seed: int = 0
    latency_ms: float = 0.0
    bandwidth_mbit: float | None = None
    directory: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        """See that every number makes sense."""
        if self.directory is None:
            check_size(self.width, self.height)
            if self.images is None:
                raise UsageError("how many synthetic images to serve is not said; give --images N")
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
    def latency_s(self) -> float:
        """Seconds before each answer."""
        return self.latency_ms / 1000

    @property
    def bytes_per_s(self) -> float | None:
        """What one connection carries; `None` for no limit."""
        return None if self.bandwidth_mbit is None else self.bandwidth_mbit * 1e6 / 8

    @property
    def catalogue(self) -> Catalogue:
        """The pictures on offer, none of them made yet."""
        if self.directory is not None:
            return catalogue.from_directory(self.directory, self.images)
        return catalogue.synthetic(self.seed, self.images or 0, self.width, self.height)

    @property
    def command(self) -> list[str]:
        """The command line of a child process that serves this, and ends when its standard input does."""
        flags = {name: getattr(self, name) for name in self.__dataclass_fields__}
        options = [
            f"--{name.replace('_', '-')}={value}" for name, value in flags.items() if value is not None
        ]
        return [sys.executable, "-m", "orchestrator.inputs.image_server", *options, "--end-with-stdin"]


def serve(origin: Origin, ready: Callable[[str], None], lifeline: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT; runs in the main thread of a process of its own.

    Args:
        origin: what to serve, where and how fast.
        ready: called once with the base URL, when every picture is in memory and the port answers.
        lifeline: a file descriptor (0 is standard input); when it comes to its end, the server ends too.

    Raises:
        UnavailableError: the port cannot be listened on, or the directory has nothing to serve.
        UsageError: the pictures do not fit in memory.
    """
    asyncio.run(_serve(origin, ready, lifeline))


async def _serve(origin: Origin, ready: Callable[[str], None], lifeline: int | None) -> None:
    ended = ended_by_signal()
    if lifeline is not None:
        loop = asyncio.get_running_loop()
        threading.Thread(target=_watch, args=(lifeline, loop, ended), daemon=True).start()
    with listening(origin.host, origin.port) as sockets:
        pictures = await _unless(ended, _fill(origin.catalogue))
        if pictures is not None:
            images = application(pictures, origin.latency_s, origin.bytes_per_s)
            await answer(images, sockets, lambda port: ready(url(origin.host, port)), ended)


async def _fill(offers: Catalogue) -> dict[str, Picture]:
    """Every picture, made or read by a few threads while the loop still hears signals."""
    threads = ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1))
    pictures: dict[str, Picture] = {}
    size = 0
    try:
        waiting = {path: threads.submit(make) for path, make in offers.items()}
        for path, making in waiting.items():
            picture = pictures[path] = await asyncio.wrap_future(making)
            size += len(picture.body)
            if size > MAX_BYTES:
                raise UsageError(
                    f"the pictures take over {MAX_BYTES} bytes; serve fewer with --images, or smaller ones"
                )
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    return pictures


async def _unless(ended: asyncio.Event, filling: Awaitable[dict[str, Picture]]) -> dict[str, Picture] | None:
    """What `filling` gives, or `None` where the end came first."""
    work, end = asyncio.ensure_future(filling), asyncio.ensure_future(ended.wait())
    await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
    end.cancel()
    if work.done():
        return work.result()
    work.cancel()
    return None


def _watch(lifeline: int, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Wait for the end of `lifeline`; by its descriptor, for a lock on `sys.stdin` would be held at exit."""
    while os.read(lifeline, 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop is closed: a signal came first
        loop.call_soon_threadsafe(ended.set)


def main(arguments: Sequence[str] | None = None) -> int:
    """The child process: serve what the arguments say, print the address, return the exit code."""
    parser = argparse.ArgumentParser(prog="orchestrator.inputs.image_server", allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--images", type=int)
    parser.add_argument("--width", type=int, default=800)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--bandwidth-mbit", type=float)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--end-with-stdin", action="store_true")
    options = vars(parser.parse_args(arguments))
    lifeline = 0 if options.pop("end_with_stdin") else None
    try:
        serve(Origin(**options), _announce, lifeline)
    except BreakevenError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _announce(url: str) -> None:
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
