"""Outputs that are read where the slot left them, and how the slot learns that nobody reads one any more."""

from __future__ import annotations

from collections import deque

import numpy as np

from worker.arena import NO_FORM, Form, Place, Window, get
from worker.contract import Payload, Pixels


class Lease:
    """Cells of a file: whoever holds an array there holds all of them, and the last to let go gives them back.

    There is one for the outputs of a message: one for each would cost more than the array itself.
    """

    __slots__ = ("__array_interface__", "_mapping", "_unneeded", "cells")

    def __init__(self, outputs: Outputs) -> None:
        """Lend cells of the file as it is mapped now: none at first."""
        self.cells: list[tuple[int, int]] = []
        self.__array_interface__ = {
            "version": 3,
            "shape": (outputs.size,),
            "typestr": "|u1",
            "data": (outputs.address, False),
        }
        self._mapping, self._unneeded = outputs.mapping, outputs.unneeded

    def __del__(self) -> None:
        """Nobody holds an array any more."""
        self._unneeded.extend(self.cells)


class Outputs(Window):
    """The file in which a slot leaves its outputs, as the orchestrator sees it."""

    def __init__(self, fd: int) -> None:
        """Read from the file that `fd` names."""
        super().__init__(fd)
        self.unneeded: deque[tuple[int, int]] = deque()
        """Cells, offset and bytes, that nobody reads any more and the slot has not been told of."""
        self.form: Form = NO_FORM
        """That of the last output."""

    def drop(self, place: Place | int) -> None:
        """Nobody wants the output at a place, or at an offset if it is like the one before."""
        self.unneeded.append((self.offset_of(place), self.form[1]))

    def offset_of(self, place: Place | int) -> int:
        """Where the output lies whose place the slot tells; from now on `form` is its form."""
        if isinstance(place, int):
            return place
        offset, self.form = place
        return int(offset)


class Lent:
    """Reads outputs that came together: arrays stay where they are, all else is copied."""

    def __init__(self, outputs: Outputs) -> None:
        """Nothing is lent before there is an array."""
        self._outputs = outputs
        self._lent = 0
        """Up to here the file is `_whole`, which `_cells` are lent of."""
        self._whole: Pixels
        self._cells: list[tuple[int, int]]

    def read(self, place: Place | int) -> Payload:
        """The output at a place, or at an offset if it is like the one before."""
        outputs = self._outputs
        offset = place if isinstance(place, int) else outputs.offset_of(place)
        kind, nbytes, shape, dtype, size = outputs.form
        if kind != "array":
            outputs.unneeded.append((offset, nbytes))
            return get(outputs, (offset, outputs.form))
        if size > self._lent:
            self._lend(size)
        self._cells.append((offset, nbytes))
        return np.ndarray(shape, dtype, self._whole, offset)

    def _lend(self, size: int) -> None:
        self._outputs.grown_to(size)
        lease = Lease(self._outputs)
        self._cells, self._lent, self._whole = lease.cells, self._outputs.size, np.asarray(lease)
