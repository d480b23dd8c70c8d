"""An output that is read where the slot left it, and how the slot learns that nobody reads it any more."""

from __future__ import annotations

import mmap
from collections import deque
from typing import Any


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
