"""The least that could do a batch in a thread, in threads and in processes: what the harness is held against.

None checks, times or reports anything of a task. Each is warm before its first batch, and each gives the
seconds from its release to its last output.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import shared_memory
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import numpy as np

from worker.contract import Payload, Pixels
from worker.memory import keep_freed_memory
from worker.stages import kernel_of

GO, GO_TIMED = b"g", b"t"
"""Do the batch; do it with a clock around each kernel."""


class Timed:
    """A kernel with a clock around it; `seconds` is what all its calls took."""

    def __init__(self, kernel: Callable[[Any], Any]) -> None:
        """None was called yet."""
        self._kernel = kernel
        self.seconds = 0.0

    def __call__(self, payload: Payload) -> Any:
        """Call the kernel."""
        started = time.perf_counter()
        output = self._kernel(payload)
        self.seconds += time.perf_counter() - started
        return output


class BareLoop(ABC):
    """Does one and the same batch again and again."""

    def seconds(self) -> float:
        """Do the batch with no garbage collection within, as the product's clock has it."""
        gc.collect()
        gc.disable()
        try:
            started = time.perf_counter()
            outputs = self.run()
            elapsed = time.perf_counter() - started
        finally:
            gc.enable()
        del outputs
        return elapsed

    @abstractmethod
    def run(self) -> object:
        """Do the batch; what is returned is kept until the clock has stopped."""

    def rest_s(self) -> float | None:
        """The seconds of one more batch that no kernel took, by a clock around each; `None` where it has none."""
        return None

    def close(self) -> None:
        """End what was started; most have started nothing."""
        return


class BareSerial(BareLoop):
    """A `for` loop that calls the kernel."""

    def __init__(self, stage: str, kernel: str, payloads: Sequence[Payload]) -> None:
        """Keep the batch."""
        self._kernel, self._payloads = kernel_of(stage, kernel), payloads

    def run(self) -> object:
        """The loop."""
        outputs = []
        for payload in self._payloads:
            outputs.append(self._kernel(payload))
        return outputs

    def rest_s(self) -> float:
        """The loop with a clock around each kernel."""
        started, kernel = time.perf_counter(), Timed(self._kernel)
        outputs = []
        for payload in self._payloads:
            outputs.append(kernel(payload))
        return time.perf_counter() - started - kernel.seconds


class BareThreads(BareLoop):
    """Threads that take payloads from one shared iterator until it is empty."""

    def __init__(self, stage: str, kernel: str, payloads: Sequence[Payload], slots: int) -> None:
        """Start the threads, which wait for `run`."""
        self._kernel, self._payloads, self._slots = kernel_of(stage, kernel), list(payloads), slots
        self._todo: SimpleQueue[Any] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        for _ in range(slots):
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        kernel = self._kernel
        while (job := self._todo.get()) is not None:
            shared, outputs = job  # taking the next of a list's iterator is atomic
            for payload in shared:
                outputs.append(kernel(payload))
            self._done.put(None)

    def run(self) -> object:
        """Release all threads and wait until each has found the iterator empty."""
        shared, outputs = iter(self._payloads), []  # type: ignore[var-annotated]  # whatever the kernel gives
        for _ in range(self._slots):
            self._todo.put((shared, outputs))
        for _ in range(self._slots):
            self._done.get()
        return outputs

    def close(self) -> None:
        """End the threads."""
        for _ in range(self._slots):
            self._todo.put(None)


class BareProcesses(BareLoop):
    """Processes that each hold a fixed share of the payloads from the start: one byte begins, one ends.

    Nothing crosses during a batch and the outputs stay there, so this is less than any pool has to do.
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

    def run(self) -> object:
        """Release all processes and wait for the last."""
        return self._released(GO)

    def rest_s(self) -> float | None:
        """The batch with a clock around each kernel, if there is one process alone."""
        started = time.perf_counter()
        kernels_s = [struct.unpack("d", answer) for answer in self._released(GO_TIMED)]
        elapsed = time.perf_counter() - started
        return elapsed - kernels_s[0][0] if len(kernels_s) == 1 else None

    def _released(self, order: bytes) -> list[bytes]:
        for connection in self._connections:
            connection.send_bytes(order)
        return [connection.recv_bytes() for connection in self._connections]

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

    def run(self) -> object:
        """Copy every share, and release its process; the gray ones lie in shared memory in the end."""
        self._released(GO)
        return list(self._back)

    def _released(self, order: bytes) -> list[bytes]:
        for number, connection in enumerate(self._connections):
            for index in range(number, len(self._payloads), self._slots):
                self._there[index] = self._payloads[index]
            connection.send_bytes(order)
        return [connection.recv_bytes() for connection in self._connections]

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
        while order := connection.recv_bytes():
            clocked = Timed(kernel)
            do = clocked if order == GO_TIMED else kernel
            outputs = []
            for payload in payloads:
                outputs.append(do(payload))
            connection.send_bytes(struct.pack("d", clocked.seconds))
            del outputs


def serve_shared(connection: Connection) -> None:
    """A bare process: does each time what then lies in shared memory, and leaves the outputs there."""
    keep_freed_memory()
    gc.disable()
    stage, name, memory_name, shape, number, slots = connection.recv()
    kernel = kernel_of(stage, name)
    memory = shared_memory.SharedMemory(memory_name)
    there = [np.ndarray(shape[1:], np.uint8, memory.buf, n * math.prod(shape[1:])) for n in range(shape[0])]
    back = np.ndarray(shape[:3], np.uint8, memory.buf, math.prod(shape))
    with suppress(EOFError):
        connection.send_bytes(b"r")
        while order := connection.recv_bytes():
            clocked = Timed(kernel)
            do = clocked if order == GO_TIMED else kernel
            for index in range(number, shape[0], slots):
                back[index] = do(there[index])
            connection.send_bytes(struct.pack("d", clocked.seconds))
    del there, back
    memory.close()
