"""Payloads in a file that two processes map: one has an `Arena` on it, the other a `Window`.

A payload crosses by one copy into a cell of the file, and by its place there, which is small:
[kind, offset, bytes, shape, dtype, size of the file].
"""

from __future__ import annotations

import mmap
import os
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from worker.contract import Payload, Pixels

HEADER_BYTES = mmap.PAGESIZE
"""The first page of a file belongs to no cell: whoever shares it may put flags there."""
FIRST_BYTES = 4 << 20
"""What a file holds at first: two 800x800 pictures. It grows while a batch warms up."""
GROWTH_BYTES = 64 << 20
"""A file doubles when it grows, but by no more than this and what is asked for."""
MOST_ARRAYS = 256
"""So many views of places are kept: a slot has fewer places at a time."""
PIXEL = np.dtype(np.uint8)


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
        self._arrays: dict[Sequence[Any], Pixels] = {}

    def grown_to(self, size: int) -> mmap.mmap:
        """The whole file, known to hold `size` bytes at least; views on older mappings stay valid."""
        if size > self.size:
            self._map()
        return self.mapping

    def array(self, place: Sequence[Any]) -> Pixels:
        """The array at a place, a view on the mapping: made once for as long as cells are used again for the like."""
        found = self._arrays.get(place)
        if found is None:
            _, offset, _, shape, typestr, size = place
            mapping = self.grown_to(size)
            if len(self._arrays) >= MOST_ARRAYS:
                self._arrays.clear()
            # On the mapping itself: for each pixel that `loop` takes, NumPy walks along all that an array is a view of.
            found = self._arrays[place] = np.ndarray(shape, typestr, mapping, offset)
        return found


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


@lru_cache
def _typestr(dtype: np.dtype[Any]) -> str:
    """What the other side makes the dtype of.

    Raises:
        TypeError: it is none of plain numbers.
    """
    if dtype.hasobject or dtype.fields is not None:
        raise TypeError(f"an array of {dtype} cannot be shared between processes")
    return dtype.str


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
    """The payload at a place, as tuples: an array is a view of shared memory, text and bytes are copies."""
    kind, offset, nbytes, _, _, size = place
    if kind == "array":
        return window.array(place)
    data = window.grown_to(size)[offset : offset + nbytes]
    return data.decode("utf-8", "surrogatepass") if kind == "text" else data
