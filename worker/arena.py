"""Payloads in a file that two processes map: one has an `Arena` on it, the other a `Window`.

A payload crosses by one copy into a cell of the file, and by its place there, which is small: [offset, form], where a
form is [kind, bytes, shape, dtype, size of the file]. Payloads that are alike have the same form, one and the same
object as long as no other comes between, so whoever tells places need not tell it again.
"""

from __future__ import annotations

import mmap
import os
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np

from worker.contract import Payload

HEADER_BYTES = mmap.PAGESIZE
"""The first page of a file belongs to no cell: whoever shares it may put flags there."""
FIRST_BYTES = 4 << 20
"""What a file holds at first: two 800x800 pictures. It grows while a batch warms up."""
GROWTH_BYTES = 64 << 20
"""A file doubles when it grows, but by no more than this and what is asked for."""
TOGETHER_BYTES = 1 << 20
"""So much is put together at most: larger cells would seldom be used again, and a large array costs its copy anyway."""
PIXEL = np.dtype(np.uint8)

Form: TypeAlias = Sequence[Any]
Place: TypeAlias = Sequence[Any]
NO_FORM: Final[Form] = ("", 0, (), "", 0)


class Window:
    """A shared file as its reader sees it: mapped anew when its owner has let it grow."""

    def __init__(self, fd: int) -> None:
        """Map the file that `fd` names, as large as it is."""
        self.fd = fd
        self._map()

    def _map(self) -> None:
        # Every page is put in place now: a first touch of each would be on a task's clock.
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        size = os.fstat(self.fd).st_size
        self.mapping = mmap.mmap(self.fd, size, flags=flags)
        self.size = size  # not before: where there is no memory to map, the file is still seen to be as small as it was
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
        self._form = NO_FORM

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

    def form(self, kind: str, nbytes: int, shape: Sequence[int], dtype: str) -> Form:
        """The form of a payload that lies in the file as it is now."""
        last = self._form
        if (
            last[2] != shape
            or last[1] != nbytes
            or last[4] != self.size
            or last[0] != kind
            or last[3] != dtype
        ):
            last = self._form = kind, nbytes, shape, dtype, self.size
        return last


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


def put(arena: Arena, payload: Payload, old: Place | None = None) -> Place:
    """Copy a payload into a cell; its place, for `get`.

    Args:
        arena: where to.
        payload: what.
        old: a place whose payload has served. Its cell is used again if it has the right size, and given back if not.

    Returns:
        The place, which is `old` itself if the payload is an array like the one there before: a view shows it.

    Raises:
        TypeError: it is no text, bytes or array of plain numbers.
        OSError: there is no memory left. Either way `old` stays as it is.
    """
    if isinstance(payload, np.ndarray):
        kind, shape, dtype, nbytes = "array", payload.shape, payload.dtype, payload.nbytes
        typestr = "|u1" if dtype is PIXEL else _typestr(dtype)
        data: Any = payload
    elif isinstance(payload, str):
        kind, shape, typestr, data = "text", (), "", payload.encode("utf-8", "surrogatepass")
        nbytes = len(data)
    elif isinstance(payload, bytes):
        kind, shape, typestr, data, nbytes = "bytes", (), "", payload, len(payload)
    else:
        raise TypeError(f"a payload of {type(payload).__name__} cannot be shared between processes")
    again = old is not None and old[1][1] == nbytes
    offset: int = old[0] if old is not None and again else arena.allocate(nbytes)
    try:
        arena.mapping[offset : offset + nbytes] = data
    except ValueError:  # an array that does not lie in one piece, or has a dtype that a buffer cannot have
        np.ndarray(shape, typestr, arena.mapping, offset)[...] = payload
    form = arena.form(kind, nbytes, shape, typestr)
    if old is not None:
        if not again:
            arena.free(old[0], old[1][1])
        elif form is old[1] and kind == "array":
            return old
    return offset, form


def put_together(arena: Arena, payloads: Sequence[Any]) -> Place | None:
    """Copy arrays into one cell, one behind the other; the place of all, as one array with an axis more in front.

    Returns:
        `None`, and nothing is done, where they are less than two, no arrays, not all of one shape and dtype, without an
        axis or too large to lie together.

    Raises:
        TypeError: they are no arrays of plain numbers.
        OSError: there is no memory left.
    """
    first, count = payloads[0], len(payloads)
    if count < 2 or type(first) is not np.ndarray or not 0 < first.nbytes <= TOGETHER_BYTES // count:
        return None
    shape, dtype = first.shape, first.dtype
    if not shape or not all(
        type(each) is np.ndarray and each.shape == shape and each.dtype == dtype for each in payloads
    ):
        return None
    typestr, nbytes = _typestr(dtype), count * first.nbytes
    offset = arena.allocate(nbytes)
    np.concatenate(payloads, out=np.ndarray((count * shape[0], *shape[1:]), typestr, arena.mapping, offset))
    return offset, arena.form("array", nbytes, (count, *shape), typestr)


def get(window: Window, place: Place) -> Payload:
    """The payload at a place, as tuples: an array is a view of shared memory, text and bytes are copies."""
    offset, (kind, nbytes, shape, typestr, size) = place
    mapping = window.grown_to(size)
    if kind == "array":
        # On the mapping itself: for each pixel that `loop` takes, NumPy walks along all that an array is a view of.
        return np.ndarray(shape, typestr, mapping, offset)
    data = mapping[offset : offset + nbytes]
    return data.decode("utf-8", "surrogatepass") if kind == "text" else data
