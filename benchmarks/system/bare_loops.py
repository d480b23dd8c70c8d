"""The least that could do a batch in a thread, in threads and in processes: what the harness is held against.

None checks or reports anything of a task, and of the clock each has only what reads it before and after a kernel,
which takes a tenth of a microsecond. Each is warm before its first batch.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import pickle
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import shared_memory
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import numpy as np

from worker.allocator import keep_freed_memory
from worker.contract import Payload, Pixels
from worker.stages import kernel_of

GO = b"g"
"""Do the batch."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One batch: the seconds from its release to its last output, and what each kernel of each slot took."""

    makespan_s: float
    kernels_s: Sequence[Sequence[float]]


def timed_loop(kernel: Callable[[Any], Any], payloads: Iterable[Any], outputs: list[Any]) -> list[float]:
    """The loop that all is held against, with a clock around each kernel; adds to `outputs`."""
    clock, seconds = time.perf_counter, []
    for payload in payloads:
        started = clock()
        output = kernel(payload)
        seconds.append(clock() - started)
        outputs.append(output)
    return seconds


class BareLoop(ABC):
    """Does one and the same batch again and again."""

    def timing(self) -> Timing:
        """Do the batch with no garbage collection within, as the product's clock has it."""
        gc.collect()
        gc.disable()
        try:
            started = time.perf_counter()
            outputs, kernels_s = self.run()
            elapsed = time.perf_counter() - started
        finally:
            gc.enable()
        del outputs
        return Timing(elapsed, kernels_s)

    @abstractmethod
    def run(self) -> tuple[object, Sequence[Sequence[float]]]:
        """Do the batch: what is kept until the clock has stopped, and the seconds of each slot's kernels."""

    def close(self) -> None:
        """End what was started; most have started nothing."""
        return


class BareSerial(BareLoop):
    """A `for` loop that calls the kernel."""

    def __init__(self, stage: str, kernel: str, payloads: Sequence[Payload]) -> None:
        """Keep the batch."""
        self._kernel, self._payloads = kernel_of(stage, kernel), payloads

    def run(self) -> tuple[object, Sequence[Sequence[float]]]:
        """The loop."""
        outputs: list[object] = []
        return outputs, [timed_loop(self._kernel, self._payloads, outputs)]


class BareThreads(BareLoop):
    """Threads that take payloads from one shared iterator until it is empty."""

    def __init__(self, stage: str, kernel: str, payloads: Sequence[Payload], slots: int) -> None:
        """Start the threads, which wait for `run`."""
        self._kernel, self._payloads, self._slots = kernel_of(stage, kernel), list(payloads), slots
        self._todo: SimpleQueue[Any] = SimpleQueue()
        self._done: SimpleQueue[list[float]] = SimpleQueue()
        for _ in range(slots):
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while (job := self._todo.get()) is not None:
            # Taking the next of a list's iterator is atomic, and so is adding to a list.
            self._done.put(timed_loop(self._kernel, *job))

    def run(self) -> tuple[object, Sequence[Sequence[float]]]:
        """Release all threads and wait until each has found the iterator empty."""
        outputs: list[object] = []
        job = iter(self._payloads), outputs
        for _ in range(self._slots):
            self._todo.put(job)
        return outputs, [self._done.get() for _ in range(self._slots)]

    def close(self) -> None:
        """End the threads."""
        for _ in range(self._slots):
            self._todo.put(None)


class BareProcesses(BareLoop):
    """Processes that each hold a fixed share of the payloads from the start: one byte begins, one ends.

    Nothing crosses during a batch and the outputs stay there, so this is less than any pool has to do: for empty tasks.
    """

    def __init__(self, stage: str, kernel: str, payloads: Sequence[Payload], slots: int) -> None:
        """Start the processes and give each its share."""
        self._start(slots, serve_share, [(stage, kernel, list(payloads[n::slots])) for n in range(slots)])

    def _start(self, slots: int, serve: Callable[[Connection], None], shares: Sequence[object]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        self._processes = []
        for share in shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            ours.send(share)
            ours.recv_bytes()
            self._connections.append(ours)
            self._processes.append(process)

    def run(self) -> tuple[object, Sequence[Sequence[float]]]:
        """Release all processes and wait for the last."""
        for connection in self._connections:
            connection.send_bytes(GO)
        return None, self._ended()

    def _ended(self) -> list[list[float]]:
        answers = [connection.recv_bytes() for connection in self._connections]
        return [pickle.loads(answer) for answer in answers]  # noqa: S301 - of a process of our own

    def close(self) -> None:
        """End the processes, by closing their pipes."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()


class BareCrossing(BareProcesses):
    """The same, and the pictures get there and the gray ones back: one copy each way, by shared memory.

    Each process gets its whole share at once. Of what a pool has to do this is the least.
    """

    def __init__(self, stage: str, kernel: str, payloads: Sequence[Pixels], slots: int) -> None:
        """Start the processes, with room for all pictures and all gray ones."""
        self._payloads = list(payloads)
        shape = (len(payloads), *payloads[0].shape)
        size = len(payloads) * payloads[0].nbytes
        self._memory = shared_memory.SharedMemory(create=True, size=size + size // 3)
        self._there = np.ndarray(shape, np.uint8, self._memory.buf)
        self._back = np.ndarray(shape[:3], np.uint8, self._memory.buf, size)
        self._slots = slots
        shares = [(stage, kernel, self._memory.name, shape, n, slots) for n in range(slots)]
        self._start(slots, serve_shared, shares)

    def run(self) -> tuple[object, Sequence[Sequence[float]]]:
        """Copy every share, and release its process; the gray ones lie in shared memory in the end."""
        for number, connection in enumerate(self._connections):
            for index in range(number, len(self._payloads), self._slots):
                self._there[index] = self._payloads[index]
            connection.send_bytes(GO)
        kernels_s = self._ended()
        return list(self._back), kernels_s

    def close(self) -> None:
        """End the processes and give the memory back."""
        super().close()
        del self._there, self._back
        self._memory.close()
        self._memory.unlink()


def serve_share(connection: Connection) -> None:
    """A bare process: keeps its share and does it each time it is told to."""
    keep_freed_memory()
    gc.disable()
    stage, name, payloads = connection.recv()
    kernel = kernel_of(stage, name)
    with suppress(EOFError):
        connection.send_bytes(b"r")
        while connection.recv_bytes():
            outputs: list[object] = []
            seconds = timed_loop(kernel, payloads, outputs)
            connection.send_bytes(pickle.dumps(seconds))
            del outputs


def serve_shared(connection: Connection) -> None:
    """A bare process: does each time what then lies in shared memory, and leaves the outputs there."""
    keep_freed_memory()
    gc.disable()
    clock = time.perf_counter
    stage, name, memory_name, shape, number, slots = connection.recv()
    kernel = kernel_of(stage, name)
    memory = shared_memory.SharedMemory(memory_name)
    there = [np.ndarray(shape[1:], np.uint8, memory.buf, n * math.prod(shape[1:])) for n in range(shape[0])]
    back = np.ndarray(shape[:3], np.uint8, memory.buf, math.prod(shape))
    with suppress(EOFError):
        connection.send_bytes(b"r")
        while connection.recv_bytes():
            seconds = []
            for index in range(number, shape[0], slots):
                started = clock()
                gray = kernel(there[index])
                seconds.append(clock() - started)
                back[index] = gray
            connection.send_bytes(pickle.dumps(seconds))
    del there, back
    memory.close()
