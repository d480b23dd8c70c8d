"""A link to Redis with a set speed: seconds per command, bytes per second each way.

It is a process between clients and server, on a unix socket. Commands pass one queue, bytes another in each
direction, first come, first served. So the demand of this station is known, while the Redis behind it is real.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

READ_BYTES = 1 << 16
MOST_BYTES = 1 << 20  # a larger transfer takes turns with others

PACKET_BYTES = 1500  # anything smaller passes between transfers and takes no time

FULL_READ = 1 << 13
FOLLOWS_S = 0.0005  # seconds within which further bytes belong to the same transfer

# Indexes into the memory shared with the process of the link.
COMMAND_S, BYTES_PER_S, BUSY_S, OURS, THEIRS = range(5)


@dataclass(frozen=True, slots=True)
class Counts:
    """Commands that passed: of the process that made the link, and of all others."""

    ours: int
    theirs: int

    def __sub__(self, before: Counts) -> Counts:
        """Return what passed since."""
        return Counts(self.ours - before.ours, self.theirs - before.theirs)


class Link:
    """A running link, whose speed can be changed at any time."""

    def __init__(self, url: str, shared: Any) -> None:
        """Clients find it at `url`."""
        self.url = url
        self._shared = shared

    def set(self, command_s: float = 0.0, bytes_per_s: float = 0.0) -> None:
        """Set the seconds per command, and the bytes per second in each direction (0: unlimited)."""
        self._shared[COMMAND_S], self._shared[BYTES_PER_S] = command_s, bytes_per_s

    @property
    def busy_s(self) -> float:
        """Return the seconds that commands have taken so far."""
        return float(self._shared[BUSY_S])

    @property
    def commands(self) -> Counts:
        """Return how many commands have passed so far."""
        return Counts(int(self._shared[OURS]), int(self._shared[THEIRS]))


@contextmanager
def shaped_link(server: str, path: Path) -> Iterator[Link]:
    """Start a link to Redis at the unix socket `server`, for clients that connect to `path`."""
    context = multiprocessing.get_context("spawn")
    shared, ready = context.Array("d", 5), context.Event()
    process = context.Process(
        target=_serve, args=(server, str(path), shared, ready, os.getpid()), daemon=True
    )
    process.start()
    try:
        if not ready.wait(timeout=20):
            raise TimeoutError(f"the link to {server} did not come up within 20 s")
        yield Link(f"redis+socket://{path}", shared)
    finally:
        process.terminate()
        process.join(timeout=10)


class _Server:
    """Serves one at a time, by its own clock, so that waking up late does not lengthen any service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at = 0.0

    def serve(self, service_s: float) -> None:
        """Wait for those before, then be served."""
        if not service_s:
            return
        with self._lock:
            done = self._free_at = max(time.monotonic(), self._free_at) + service_s
        wait_s = done - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)


def _serve(server: str, path: str, shared: Any, ready: Any, owner: int) -> None:
    """Run the process of the link: two threads per connection."""
    commands, into, out_of = _Server(), _Server(), _Server()

    def transfer_s(data: bytes) -> float:
        limited = shared[BYTES_PER_S] and len(data) > PACKET_BYTES
        return len(data) / shared[BYTES_PER_S] if limited else 0.0

    def inward(data: bytes, passed: int, own: bool) -> None:
        if passed:
            with shared.get_lock():
                shared[OURS if own else THEIRS] += passed
                shared[BUSY_S] += passed * shared[COMMAND_S]
            commands.serve(passed * shared[COMMAND_S])
        into.serve(transfer_s(data))

    def up(client: socket.socket, redis: socket.socket) -> None:
        pid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        count = Commands()
        _pump(client, redis, lambda data: inward(data, count.ended_in(data), pid == owner))

    def down(redis: socket.socket, client: socket.socket) -> None:
        _pump(redis, client, lambda data: out_of.serve(transfer_s(data)))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(128)
        ready.set()
        while True:
            client, _ = listener.accept()
            redis = socket.socket(socket.AF_UNIX)
            redis.connect(server)
            threading.Thread(target=up, args=(client, redis), daemon=True).start()
            threading.Thread(target=down, args=(redis, client), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, wait: Any) -> None:
    """Forward what arrives, each piece after its wait, until one side closes."""
    with suppress(OSError):
        while data := _transfer(source):
            wait(data)
            sink.sendall(data)
    for side in (source, sink):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


def _transfer(source: socket.socket) -> bytes:
    """Return what was sent at once; nothing if the other side has closed."""
    parts = [source.recv(READ_BYTES)]
    size = len(parts[0])
    # A piece smaller than a read of the socket is complete.
    while parts[-1] and size >= FULL_READ and size < MOST_BYTES and _readable(source):
        parts.append(source.recv(READ_BYTES))
        size += len(parts[-1])
    return b"".join(parts)


def _readable(source: socket.socket) -> bool:
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(1e3 * FOLLOWS_S))


class Commands:
    """Counts the commands of one client in its stream of bytes.

    Source: the Redis serialization protocol: `*<n>`, then n times `$<length>` and the bytes, each with a line end.
    https://redis.io/docs/latest/develop/reference/protocol-spec/
    """

    def __init__(self) -> None:
        """Before the first byte."""
        self._line = b""
        self._left = 0
        """Words of this command that are still to come."""
        self._skip = 0
        """Bytes of this word that are still to come."""

    def ended_in(self, data: bytes) -> int:
        """Return how many commands end within these bytes."""
        ended, at = 0, 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                if not self._skip:
                    self._left -= 1
                    ended += not self._left
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                break
            line, self._line, at = (self._line + data[at:end]).strip(), b"", end + 1
            if line.startswith(b"*"):
                self._left = int(line[1:])
            else:
                self._skip = int(line[1:]) + 2
        return ended
