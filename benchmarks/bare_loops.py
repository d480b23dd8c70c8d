"""The least that could do a batch in a thread, in threads and in processes: what the harness is held against.

None checks, times or reports anything of a task. Each is warm before its first batch, and each gives the
seconds from its release to its last output.
"""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from worker.contract import Payload
from worker.memory import keep_freed_memory
from worker.stages import kernel_of


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
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        self._processes = []
        for number in range(slots):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve_share, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            ours.send((stage, kernel, list(payloads[number::slots])))
            ours.recv_bytes()
            self._connections.append(ours)
            self._processes.append(process)

    def run(self) -> object:
        """Release all processes and wait for the last."""
        for connection in self._connections:
            connection.send_bytes(b"g")
        return [connection.recv_bytes() for connection in self._connections]

    def close(self) -> None:
        """End the processes, by closing their pipes."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()


def serve_share(connection: Connection) -> None:
    """A bare process: keeps its share and does it each time it is told to."""
    keep_freed_memory()
    gc.disable()
    stage, name, payloads = connection.recv()
    kernel = kernel_of(stage, name)
    try:
        connection.send_bytes(b"r")
        while connection.recv_bytes():
            outputs = []
            for payload in payloads:
                outputs.append(kernel(payload))
            connection.send_bytes(b"d")
            del outputs
    except EOFError:
        return
