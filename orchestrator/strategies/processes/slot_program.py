"""What runs in a slot process, and the memory that it shares with the orchestrator.

This file is a program: `python -P slot_program.py CONTROL INPUTS OUTPUTS`, each a file descriptor. It is
started by its path and imports nothing of `orchestrator`, so a slot loads what `worker` needs and no more.

Payloads lie in two anonymous files, mapped by both sides. Each has one owner, who alone allocates in it and
lets it grow: the orchestrator owns the inputs, the slot the outputs. Little crosses the control socket, several
orders or answers in one message, which is packed and unpacked at once:

    to the slot:    [[lane, stage, kernel, place, cells no longer needed], ...]
    from the slot:  [[lane, place, failure type, compute_s, compute_cpu_s], ...]
                    [[lane], ...]                                                   the task was taken back
                    []                                                              first of all: it is up

where a place is [kind, offset, bytes, shape, dtype, size of the file]. A lane is one of the few tasks that a
slot may have at a time; the first bytes of the inputs hold two flags for each, by which a task that waits
behind another can be given to a slot that is free: how far the slot is with it, and whether it was taken back.

Each answer that wakes the orchestrator takes time from the slots, so a slot that has more to do keeps a few; and it
reads orders and copies outputs several in a row, not one between two kernels, for what `worker/execution.py` says.
For that reason `work` does a row of tasks in one loop and calls nothing between two of them.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import msgpack
import numpy as np

from worker.contract import Payload
from worker.execution import HOLD_S, MOST_HELD, describe, timed
from worker.memory import collect_rarely, keep_freed_memory

LANES = 2 * MOST_HELD
HEADER_BYTES = mmap.PAGESIZE
BEGUN, DONE = 1, 2
"""How far a slot is with a task: at it, or through with it and the answer made."""
FIRST_BYTES = 4 << 20
"""What each file holds at first: two 800x800 pictures. It grows while a batch warms up."""
GROWTH_BYTES = 64 << 20
"""A file doubles when it grows, but by no more than this and what is asked for."""


class Window:
    """A shared file as its reader sees it: mapped anew when its owner has let it grow."""

    def __init__(self, fd: int) -> None:
        """Map the file that `fd` names, as large as it is."""
        self.fd = fd
        self._map()

    def _map(self) -> None:
        # Every page is put in place now: a first touch of each would be on a task's clock.
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.size = os.fstat(self.fd).st_size
        self.mapping = mmap.mmap(self.fd, self.size, flags=flags)
        self.address: int = np.frombuffer(self.mapping, dtype=np.uint8).__array_interface__["data"][0]

    def grown_to(self, size: int) -> mmap.mmap:
        """The whole file, known to hold `size` bytes at least; views on older mappings stay valid."""
        if size > self.size:
            self._map()
        return self.mapping


class Arena(Window):
    """A shared file as its owner sees it: hands out cells, takes them back, grows when there is none."""

    def __init__(self, fd: int) -> None:
        """Take the file that `fd` names, and make it `FIRST_BYTES` long."""
        os.ftruncate(fd, FIRST_BYTES)
        super().__init__(fd)
        self._next = HEADER_BYTES
        self._free: defaultdict[int, list[int]] = defaultdict(list)

    def allocate(self, nbytes: int) -> int:
        """The offset of a cell of at least `nbytes`; the one given back last comes first, still in the cache.

        Raises:
            OSError: there is no memory left.
        """
        room = _room_for(nbytes)
        if free := self._free[room]:
            return free.pop()
        offset, end = self._next, self._next + room
        if end > self.size:
            os.ftruncate(self.fd, max(end, self.size + min(self.size, GROWTH_BYTES)))
            self._map()
        self._next = end
        return offset

    def free(self, offset: int, nbytes: int) -> None:
        """Take back the cell that `allocate(nbytes)` gave."""
        self._free[_room_for(nbytes)].append(offset)


@lru_cache
def _room_for(nbytes: int) -> int:
    """`nbytes` rounded up by less than a quarter, to one of few sizes, so that cells can be used again."""
    step = max(64, 1 << max(0, nbytes.bit_length() - 3))
    return -(-max(1, nbytes) // step) * step


PIXEL = np.dtype(np.uint8)


@lru_cache
def _typestr(dtype: np.dtype[Any]) -> str:
    """What the other side makes the dtype of.

    Raises:
        TypeError: it is none of plain numbers.
    """
    if dtype.hasobject or dtype.fields is not None:
        raise TypeError(f"an array of {dtype} cannot be shared between processes")
    return dtype.str


_dtype = lru_cache(np.dtype)


def put(arena: Arena, payload: Payload) -> Sequence[Any]:
    """Copy a payload into a new cell; its place, for `get`.

    Raises:
        TypeError: it is no text, bytes or array of plain numbers.
        OSError: there is no memory left.
    """
    if isinstance(payload, np.ndarray):
        dtype, nbytes = payload.dtype, payload.nbytes
        typestr = "|u1" if dtype is PIXEL else _typestr(dtype)
        offset = arena.allocate(nbytes)
        try:
            arena.mapping[offset : offset + nbytes] = payload  # type: ignore[call-overload]  # an array is a buffer
        except ValueError:  # it does not lie in one piece, or has a dtype that a buffer cannot have
            np.ndarray(payload.shape, payload.dtype, arena.mapping, offset)[...] = payload
        return "array", offset, nbytes, payload.shape, typestr, arena.size
    if isinstance(payload, str):
        kind, data = "text", payload.encode("utf-8", "surrogatepass")
    elif isinstance(payload, bytes):
        kind, data = "bytes", payload
    else:
        raise TypeError(f"a payload of {type(payload).__name__} cannot be shared between processes")
    offset = arena.allocate(len(data))
    arena.mapping[offset : offset + len(data)] = data
    return kind, offset, len(data), (), "", arena.size


def get(window: Window, place: Sequence[Any]) -> Payload:
    """The payload at a place: an array is a view of shared memory, text and bytes are copies."""
    kind, offset, nbytes, shape, typestr, size = place
    mapping = window.grown_to(size)
    if kind == "array":
        # On the mapping itself: NumPy walks along all arrays that one is a view of, for each pixel that `loop` takes.
        return np.ndarray(shape, _dtype(typestr), mapping, offset)
    data = mapping[offset : offset + nbytes]
    return data.decode("utf-8", "surrogatepass") if kind == "text" else data


def main(control_fd: int, inputs_fd: int, outputs_fd: int) -> None:
    """Answer until the orchestrator closes its end of the control socket."""
    keep_freed_memory()
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the orchestrator's, which then ends its slots
    control = socket.socket(fileno=control_fd)
    threading.Thread(target=_end_with, args=(control,), daemon=True).start()
    inputs, outputs = Window(inputs_fd), Arena(outputs_fd)
    orders = Orders(control, partial(_prepared, inputs, outputs))
    answers = Answers(control, partial(_told, outputs))
    # An orchestrator that closes its end in the middle of something has had enough: no reason for a traceback.
    with suppress(ConnectionResetError, BrokenPipeError, EOFError):
        control.sendall(msgpack.packb([]))
        work(orders, answers, inputs.mapping)


def work(orders: Orders, answers: Answers, flags: mmap.mmap) -> None:
    """Do what is ordered, and answer.

    Raises:
        EOFError: there will be no more.
    """
    now = time.monotonic
    while True:
        if orders.are_few():
            answers.send()
        held, send_at = answers.held, answers.sent_at + HOLD_S
        for lane, stage, kernel, payload in orders.row(MOST_HELD - len(held)):
            progress = 2 * lane
            flags[progress] = BEGUN
            held.append((lane,) if flags[progress + 1] else (lane, *timed(stage, kernel, payload)))
            flags[progress] = DONE
            if now() > send_at:
                answers.send()
                send_at = answers.sent_at + HOLD_S
        if len(held) >= MOST_HELD:
            answers.send()


class Orders:
    """What the orchestrator has sent and this slot has not done."""

    def __init__(self, control: socket.socket, prepared: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Read from `control`, which nobody else does; each order waits as `prepared` gives it."""
        self._control = control
        self._prepared = prepared
        self._unpacker = msgpack.Unpacker(use_list=False)
        self._waiting: deque[Sequence[Any]] = deque()

    def are_few(self) -> bool:
        """Whether the slot will soon have nothing to do, unless it says that it has done something."""
        if len(self._waiting) >= 2:
            return False
        with suppress(BlockingIOError):
            while len(self._waiting) < 2:
                self._receive(socket.MSG_DONTWAIT)
        return len(self._waiting) < 2

    def row(self, most: int) -> list[Sequence[Any]]:
        """Orders to be done before anybody need look whether there are few; one at least, as soon as there is one.

        Raises:
            EOFError: there will be none.
        """
        waiting = self._waiting
        while not waiting:
            self._receive(0)
        return [waiting.popleft() for _ in range(max(1, min(most, len(waiting) - 1)))]

    def _receive(self, flags: int) -> None:
        data = self._control.recv(1 << 16, flags)
        if not data:
            raise EOFError
        self._unpacker.feed(data)
        for row in self._unpacker:
            self._waiting.extend(map(self._prepared, row))


class Answers:
    """Answers on their way, of which a few are kept to be sent together."""

    def __init__(self, control: socket.socket, told: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        """Send by `control`; each answer goes as `told` gives it."""
        self._control = control
        self._told = told
        self._packer = msgpack.Packer()
        self.held: list[Sequence[Any]] = []
        self.sent_at = 0.0

    def send(self) -> None:
        """Send what is held."""
        if self.held:
            self._control.sendall(self._packer.pack([self._told(answer) for answer in self.held]))
            self.held.clear()
            self.sent_at = time.monotonic()


def _end_with(control: socket.socket) -> None:
    """End this process, in the middle of a task too, once the other end of the socket is closed."""
    hangup = select.poll()
    hangup.register(control, 0)  # no event is asked for; a hangup is always told
    hangup.poll()
    os._exit(0)


def _prepared(inputs: Window, outputs: Arena, message: Sequence[Any]) -> Sequence[Any]:
    """An order with its payload: lane, stage, kernel, payload."""
    lane, stage, kernel, place, unneeded = message
    for offset, nbytes in unneeded:
        outputs.free(offset, nbytes)
    return lane, sys.intern(stage), sys.intern(kernel), get(inputs, place)


def _told(outputs: Arena, answer: Sequence[Any]) -> Sequence[Any]:
    """An answer as it crosses: its output, or its failure's message, lies in shared memory."""
    if len(answer) == 1:
        return answer
    lane, output, failure, compute_s, compute_cpu_s = answer
    if failure is None:
        try:
            return lane, put(outputs, output), "", compute_s, compute_cpu_s
        except (TypeError, OSError, MemoryError) as error:
            failure = describe(error)
    return lane, put(outputs, failure.message), failure.type, compute_s, compute_cpu_s


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
