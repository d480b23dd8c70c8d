"""`concurrent.futures.ThreadPoolExecutor`: gains where kernels wait, or compute with the GIL released."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet.fleet import Fleet
from orchestrator.model.runs import Cell
from orchestrator.strategies.arrivals import Arrivals
from orchestrator.strategies.base import Strategy
from worker.contract import Outcome, Task
from worker.execution import chunks_of, execute_in_pool

START_S: Final = 10.0  # seconds until every thread must run
TICK_S: Final = 1.0  # seconds between two looks at a lost Ctrl-C


class Threads(Strategy):
    """Runs chunks of tasks on `slots` threads, which start before the first batch and stay until the end."""

    def __init__(self, slots: int, chunk: int = 1) -> None:
        super().__init__(slots)
        self._chunk = chunk
        self._pool: ThreadPoolExecutor

    @classmethod
    def for_cell(cls, cell: Cell, fleet: Fleet | None) -> Self:
        """Make the strategy that does a cell; one task a call where the cell names no chunk."""
        return cls(cell.slots, cell.chunk or 1)

    def __enter__(self) -> Self:
        """Start the threads and wait until each of them runs, or raise `UnavailableError`."""
        name = f"{socket.gethostname()}:{os.getpid()}:thread"
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix=name)
        ready = threading.Barrier(self.slots + 1)
        try:
            for _ in range(self.slots):
                self._pool.submit(ready.wait)
            ready.wait(START_S)
        except BaseException as error:
            ready.abort()  # or the threads would wait for ever, and Python for them at exit
            self._pool.shutdown()
            if not isinstance(error, (RuntimeError, threading.BrokenBarrierError)):
                raise
            raise UnavailableError(
                f"{self.slots} threads did not start: {error}; ask for fewer slots"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads; a thread that is in the middle of a chunk ends after it."""
        self._pool.shutdown(cancel_futures=True)

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch; closing the generator waits for the chunks that a thread has begun, and no others."""
        done: SimpleQueue[Future[list[Outcome]]] = SimpleQueue()
        calls: list[Future[list[Outcome]]] = []
        try:
            for chunk in chunks_of(tasks, self._chunk):
                call = self._pool.submit(_execute_chunk, chunk)
                calls.append(call)
                call.add_done_callback(done.put)
            for _ in calls:
                yield from done.get().result()
        finally:
            wait([call for call in calls if not call.cancel()])

    def serve(self, arrivals: Arrivals) -> Generator[Outcome, None, None]:
        """Submit each task when it arrives; at the end, wait for the tasks that a thread has begun."""
        done: SimpleQueue[Future[list[Outcome]]] = SimpleQueue()
        calls: set[Future[list[Outcome]]] = set()
        try:
            while arrivals.goes_on(bool(calls)):
                if (task := arrivals.take()) is not None:
                    call = self._pool.submit(_execute_chunk, [task])
                    calls.add(call)
                    call.add_done_callback(done.put)
                try:
                    call = done.get(timeout=arrivals.wait_s(TICK_S))
                except Empty:
                    signals.check()
                    continue
                calls.discard(call)
                yield from call.result()
        finally:
            wait([call for call in calls if not call.cancel()])


def _execute_chunk(tasks: Sequence[Task]) -> list[Outcome]:
    slot = threading.current_thread().name
    return [execute_in_pool(task, slot) for task in tasks]
