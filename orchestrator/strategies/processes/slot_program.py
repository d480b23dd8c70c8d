"""What runs in a slot process, and the memory that it shares with the orchestrator.

This file is a program: `python -P slot_program.py CONTROL INPUTS OUTPUTS`, each a file descriptor. It is
started by its path and imports nothing of `orchestrator`, so a slot loads what `worker` needs and no more.

Payloads lie in two anonymous files, mapped by both sides. Each has one owner, who alone allocates in it and
lets it grow: the orchestrator owns the inputs, the slot the outputs. Little crosses the control socket:

    to the slot:    [lane, stage, kernel, place, cells no longer needed]    [] asks for a sign of life
    from the slot:  [lane, place, failure type, compute_s, compute_cpu_s]   [] is the sign of life
                    [lane]                                                  the task was taken back

where a place is [kind, offset, bytes, shape, dtype, size of the file]. A lane is one of the few tasks that a
slot may have at a time; the first bytes of the inputs hold two flags for each, by which a task that waits
behind another can be given to a slot that is free: how far the slot is with it, and whether it was taken back.

Each answer that wakes the orchestrator takes time from the slots, so a slot that has more to do keeps a few.
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
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from worker.contract import Payload
from worker.execution import describe, timed
from worker.memory import collect_rarely, keep_freed_memory

LANES = 32
HEADER_BYTES = mmap.PAGESIZE
BEGUN, DONE = 1, 2
"""How far a slot is with a task: at it, or through with it and the answer made."""
MOST_HELD = LANES // 2
HOLD_S = 0.1
"""So many answers are kept while there is more to do, and none once this has passed since some were sent.

It is looked at between tasks: the answer of a task that takes longer leaves at once, so a slot that says nothing is
never further from its last word than from the beginning of its task by more than this.
"""
FIRST_BYTES = 4 << 20
"""What each file holds at first: two 800x800 pictures. It grows while a batch warms up."""
GROWTH_BYTES = 64 << 20
"""A file doubles when it grows, but by no more than this and what is asked for."""


class Window:
    """A shared file as its reader sees it: mapped anew when its owner has let it grow."""

    def __init__(self, fd: int) -> None:
        """Map the file that `fd` names, as large as it is."""
        self.fd = fd
        self.bytes: NDArray[np.uint8]
        self._map()

    def _map(self) -> None:
        # Every page is put in place now: a first touch of each would be on a task's clock.
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.mapping = mmap.mmap(self.fd, os.fstat(self.fd).st_size, flags=flags)
        self.bytes = np.frombuffer(self.mapping, dtype=np.uint8)
        self.address: int = self.bytes.__array_interface__["data"][0]

    def grown_to(self, size: int) -> NDArray[np.uint8]:
        """All bytes of the file, known to hold `size` at least; views on older mappings stay valid."""
        if size > self.bytes.size:
            self._map()
        return self.bytes


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
        if end > self.bytes.size:
            os.ftruncate(self.fd, max(end, self.bytes.size + min(self.bytes.size, GROWTH_BYTES)))
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


@lru_cache
def _typestr(dtype: np.dtype[Any]) -> str:
    """What the other side makes the dtype of.

    Raises:
        TypeError: it is none of plain numbers.
    """
    if dtype.hasobject or dtype.fields is not None:
        raise TypeError(f"an array of {dtype} cannot be shared between processes")
    return dtype.str


def put(arena: Arena, payload: Payload) -> list[Any]:
    """Copy a payload into a new cell; its place, for `get`.

    Raises:
        TypeError: it is no text, bytes or array of plain numbers.
        OSError: there is no memory left.
    """
    if isinstance(payload, np.ndarray):
        shape, dtype, nbytes = payload.shape, payload.dtype, payload.nbytes
        typestr = _typestr(dtype)
        offset = arena.allocate(nbytes)
        np.ndarray(shape, dtype, arena.mapping, offset)[...] = payload
        return ["array", offset, nbytes, shape, typestr, arena.bytes.size]
    if isinstance(payload, str):
        kind, data = "text", payload.encode("utf-8", "surrogatepass")
    elif isinstance(payload, bytes):
        kind, data = "bytes", payload
    else:
        raise TypeError(f"a payload of {type(payload).__name__} cannot be shared between processes")
    offset = arena.allocate(len(data))
    arena.bytes[offset : offset + len(data)] = np.frombuffer(data, dtype=np.uint8)
    return [kind, offset, len(data), (), "", arena.bytes.size]


def get(window: Window, place: Sequence[Any]) -> Payload:
    """The payload at a place: an array is a view of shared memory, text and bytes are copies."""
    kind, offset, nbytes, shape, dtype, size = place
    memory = window.grown_to(size)
    if kind == "array":
        # On the mapping itself: NumPy walks along all arrays that one is a view of, for each pixel that `loop` takes.
        return np.ndarray(shape, dtype, window.mapping, offset)
    data = memory[offset : offset + nbytes].tobytes()
    return data.decode("utf-8", "surrogatepass") if kind == "text" else data


def main(control_fd: int, inputs_fd: int, outputs_fd: int) -> None:
    """Answer until the orchestrator closes its end of the control socket."""
    keep_freed_memory()
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the orchestrator's, which then ends its slots
    control = socket.socket(fileno=control_fd)
    threading.Thread(target=_end_with, args=(control,), daemon=True).start()
    inputs, outputs = Window(inputs_fd), Arena(outputs_fd)
    orders, answers = Orders(control), Answers(control)
    # An orchestrator that closes its end in the middle of something has had enough: no reason for a traceback.
    with suppress(ConnectionResetError, BrokenPipeError, EOFError):
        while True:
            if orders.are_few():
                answers.send()
            order = orders.next()
            answers.add(_answer(order, inputs, outputs) if order else [])


class Orders:
    """What the orchestrator has sent and this slot has not done."""

    def __init__(self, control: socket.socket) -> None:
        """Read from `control`, which nobody else does."""
        self._control = control
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

    def next(self) -> Sequence[Any]:
        """The next order, as soon as there is one.

        Raises:
            EOFError: there will be none.
        """
        while not self._waiting:
            self._receive(0)
        return self._waiting.popleft()

    def _receive(self, flags: int) -> None:
        data = self._control.recv(1 << 16, flags)
        if not data:
            raise EOFError
        self._unpacker.feed(data)
        self._waiting.extend(self._unpacker)


class Answers:
    """Answers on their way, of which a few are kept to be sent together."""

    def __init__(self, control: socket.socket) -> None:
        """Send by `control`."""
        self._control = control
        self._packer = msgpack.Packer()
        self._held: list[bytes] = []
        self._sent_at = 0.0

    def add(self, answer: list[Any]) -> None:
        """Send it, or keep it for a while."""
        self._held.append(self._packer.pack(answer))
        if len(self._held) >= MOST_HELD or time.monotonic() - self._sent_at > HOLD_S:
            self.send()

    def send(self) -> None:
        """Send what was kept."""
        if self._held:
            self._control.sendall(b"".join(self._held))
            self._held.clear()
            self._sent_at = time.monotonic()


def _end_with(control: socket.socket) -> None:
    """End this process, in the middle of a task too, once the other end of the socket is closed."""
    hangup = select.poll()
    hangup.register(control, 0)  # no event is asked for; a hangup is always told
    hangup.poll()
    os._exit(0)


def _answer(message: Sequence[Any], inputs: Window, outputs: Arena) -> list[Any]:
    lane, stage, kernel, place, unneeded = message
    for offset, nbytes in unneeded:
        outputs.free(offset, nbytes)
    inputs.grown_to(place[-1])
    flags, progress = inputs.mapping, 2 * lane
    flags[progress] = BEGUN
    answer = [lane] if flags[progress + 1] else [lane, *_done(stage, kernel, get(inputs, place), outputs)]
    flags[progress] = DONE
    return answer


def _done(stage: str, kernel: str, payload: Payload, outputs: Arena) -> list[Any]:
    """Do a task, and leave its output: what the answer says of it."""
    output, failure, *seconds = timed(stage, kernel, payload)
    if failure is None:
        try:
            return [put(outputs, output), "", *seconds]  # type: ignore[arg-type]  # put checks
        except (TypeError, OSError, MemoryError) as error:
            failure = describe(error)
    return [put(outputs, failure.message), failure.type, *seconds]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
