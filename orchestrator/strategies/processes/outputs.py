"""Outputs that are read where the slot left them, and how the slot learns that nobody reads one any more."""

from __future__ import annotations

import mmap
from collections import deque
from typing import Any

import numpy as np

from worker.arena import NO_FORM, Form, Place, Window, get
from worker.contract import Payload


class Lease:
    """An output's cell: whoever holds an array on it holds the cell, and the last to let go gives it back."""

    __slots__ = ("__array_interface__", "_cell", "_mapping", "_unneeded")

    def __init__(
        self,
        interface: dict[str, Any],
        mapping: mmap.mmap,
        cell: tuple[int, int],
        unneeded: deque[tuple[int, int]],
    ) -> None:
        """Lend `cell`, offset and bytes, of `mapping` to the array that NumPy makes of `interface`.

        In the end it is added to `unneeded`.
        """
        self.__array_interface__ = interface
        self._mapping, self._cell, self._unneeded = mapping, cell, unneeded

    def __del__(self) -> None:
        """Nobody holds the array any more."""
        self._unneeded.append(self._cell)


class Outputs(Window):
    """The file in which a slot leaves its outputs, as the orchestrator sees it."""

    def __init__(self, fd: int) -> None:
        """Read from the file that `fd` names."""
        super().__init__(fd)
        self._form: Form = NO_FORM
        self._unneeded: deque[tuple[int, int]] = deque()

    def read(self, place: Place | int) -> Payload:
        """The output at a place, or at an offset if it is like the one before; arrays stay there, the rest is copied."""
        offset, form = self._told(place)
        if form[0] == "array":
            return self._leased(offset, form)
        self._unneeded.append((offset, form[1]))
        return get(self, (offset, form))

    def drop(self, place: Place | int) -> None:
        """Nobody wants the output at a place."""
        offset, form = self._told(place)
        self._unneeded.append((offset, form[1]))

    def unneeded(self, most: int) -> list[tuple[int, int]]:
        """Cells, offset and bytes, that nobody reads any more; each is told once, so many at a time."""
        return [self._unneeded.popleft() for _ in range(min(len(self._unneeded), most))]

    def _told(self, place: Place | int) -> Place:
        if isinstance(place, int):
            return place, self._form
        self._form = place[1]
        return place

    def _leased(self, offset: int, form: Form) -> Payload:
        _, nbytes, shape, dtype, size = form
        mapping = self.grown_to(size)
        interface = {"version": 3, "shape": shape, "typestr": dtype, "data": (self.address + offset, False)}
        return np.asarray(Lease(interface, mapping, (offset, nbytes), self._unneeded))
