"""Payloads in shared memory, between the orchestrator and the processes of its pool.

The orchestrator owns a `Block` for each call in flight: the inputs lie at its start, the outputs behind them. Arrays
and bytes cross there; everything else, and an output that does not fit, is pickled with the call.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import shared_memory
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from worker.contract import Outcome, Payload, Pixels, Task
from worker.execution import execute_in_pool

ALIGNMENT: Final = 64  # bytes: the cache line of common processors


class Reference(NamedTuple):
    """Where an array lies in a block; bytes have the dtype `bytes`."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


Parcel: TypeAlias = Payload | Reference | None


class Block:
    """A block of shared memory that this process made, and removes from /dev/shm.

    Every page is reserved before anything is written, or `OSError` raised: a write to a page that /dev/shm has no room
    for would be a SIGBUS to the orchestrator.
    """

    def __init__(self, nbytes: int) -> None:
        self._memory = shared_memory.SharedMemory(create=True, size=nbytes)
        self.name, self.nbytes = self._memory.name, nbytes
        self.buffer = _buffer_of(self._memory)
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._memory._fd, 0, nbytes)  # type: ignore[attr-defined]  # its only handle
            except OSError:
                self.close()
                raise

    def close(self) -> None:
        """Unmap and remove the block."""
        del self.buffer
        self._memory.close()
        self._memory.unlink()


class Packer:
    """Copies payloads into a buffer, one behind the other from `start` on."""

    def __init__(self, buffer: memoryview, start: int = 0) -> None:
        self._buffer = buffer
        self.end = start
        self.missing = 0  # bytes of payloads for which there was no room

    def pack(self, payload: Payload | None) -> Parcel:
        """Copy a payload and return where it lies; one that cannot be shared, or does not fit, is returned."""
        nbytes = shared_bytes(payload)
        if not nbytes:
            return payload
        if self.end + nbytes > len(self._buffer):
            self.missing += nbytes
            return payload
        offset, self.end = self.end, self.end + nbytes
        if isinstance(payload, np.ndarray):
            reference = Reference(offset, payload.shape, payload.dtype.str)
            np.copyto(_view(self._buffer, reference), payload)
            return reference
        if isinstance(payload, bytes):
            self._buffer[offset : offset + len(payload)] = payload
        return Reference(offset, (len(payload or ""),), "bytes")


def shared_bytes(payload: object) -> int:
    """Return the bytes that a payload takes in a block; 0 where it is pickled instead."""
    if type(payload) is np.ndarray and payload.dtype.kind in "biufc":
        nbytes = payload.nbytes
    else:
        nbytes = len(payload) if type(payload) is bytes else 0
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def unpack(buffer: memoryview, parcel: Parcel, copy: bool) -> Any:
    """Return the payload of a parcel: bytes are copied, an array is a view of the buffer unless `copy` is set."""
    if not isinstance(parcel, Reference):
        return parcel
    if parcel.dtype == "bytes":
        return bytes(buffer[parcel.offset : parcel.offset + parcel.shape[0]])
    view = _view(buffer, parcel)
    return view.copy() if copy else view


def _view(buffer: memoryview, reference: Reference) -> Pixels:
    return np.ndarray(reference.shape, reference.dtype, buffer, reference.offset)


class SharedCall(NamedTuple):
    """Tasks for a pool process, whose inputs lie in a block; `lane` is the number of the call in flight."""

    lane: int
    block: str
    outputs_at: int
    tasks: list[tuple[int, str, str, Parcel]]


_attached: dict[int, shared_memory.SharedMemory] = {}


def execute_shared(call: SharedCall, slot: str) -> tuple[list[tuple[Outcome, Parcel]], int]:
    """Run a call's tasks; return each outcome with its output's parcel, and the bytes that the outputs needed."""
    buffer = _attach(call.lane, call.block)
    packer = Packer(buffer, call.outputs_at)
    ended = []
    for task_id, stage, kernel, parcel in call.tasks:
        payload = unpack(buffer, parcel, copy=False)
        outcome = execute_in_pool(Task(task_id, stage, kernel, payload), slot)
        ended.append((outcome._replace(output=None), packer.pack(outcome.output)))
    return ended, packer.end - call.outputs_at + packer.missing


def _attach(lane: int, name: str) -> memoryview:
    """Map a block, once: a lane keeps its block from call to call until it needs a larger one."""
    memory = _attached.get(lane)
    if memory is None or memory.name != name:
        if memory is not None:
            with suppress(BufferError):  # a kernel may still hold an input
                memory.close()
        memory = _attached[lane] = shared_memory.SharedMemory(name)
    return _buffer_of(memory)


def _buffer_of(memory: shared_memory.SharedMemory) -> memoryview:
    if memory.buf is None:
        raise ValueError(f"the block {memory.name} is closed")
    return memory.buf


def needed_bytes(payloads: Sequence[object]) -> int:
    """Return the bytes that payloads take in a block."""
    return sum(map(shared_bytes, payloads))
