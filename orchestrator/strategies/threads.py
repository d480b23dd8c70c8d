"""A pool of threads in this process: gains where kernels wait, or compute with the GIL released.

Written on a deque and two `SimpleQueue`s and not on `concurrent.futures`, whose future, condition and set of waiters
cost each task some tens of microseconds; taking the next of a deque costs a tenth of one.

The orchestrator is one more thread that wants the GIL or a processor, so it gives a batch at once and is not woken for
each outcome: threads keep theirs while there is more to do, and hand over several at a time.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from orchestrator.errors import UnavailableError
from orchestrator.strategies.base import Row, Strategy
from orchestrator.strategies.timed_row import TimedRow
from worker.contract import Failure, Task
from worker.execution import HOLD_S, MOST_HELD, CpuTime, Done, describe, timed

START_S = 10.0
"""By then every thread has answered, or the machine has none to give."""


class Threads(Strategy):
    """Runs tasks on `slots` threads that are all up before the first batch and stay until the end."""

    def __init__(self, slots: int) -> None:
        """Remember the number of threads, at least 1."""
        super().__init__(slots)
        self._todo: deque[Task] = deque()
        """Of the batch what no thread has begun; every thread takes from it by itself, which is atomic."""
        self._calls: SimpleQueue[threading.Barrier | bool] = SimpleQueue()
        """What threads wait for: that there is something to do, that they come together, or that they end."""
        self._done: SimpleQueue[TimedRow] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Start the threads and wait until each of them runs.

        Raises:
            UnavailableError: a thread could not be started, or did not answer in time.
        """
        ready = threading.Barrier(self.slots + 1)
        try:
            for number in range(self.slots):
                thread = threading.Thread(target=self._serve, args=(number, ready), daemon=True)
                thread.start()
                self._threads.append(thread)
            ready.wait(START_S)
        except (RuntimeError, threading.BrokenBarrierError) as error:
            ready.abort()
            self.__exit__(None, None, None)
            raise UnavailableError(
                f"{self.slots} threads did not start: {error}; ask for fewer slots"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads; one that is in the middle of a task ends after it."""
        self._todo.clear()
        for _ in self._threads:
            self._calls.put(False)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        _empty(self._calls)

    def rows(self, tasks: Sequence[Task]) -> Generator[Row, None, None]:
        """Do the batch; closing the generator waits for the tasks that a thread has begun, and no others."""
        owed = len(tasks)
        try:
            self._todo.extend(tasks)
            for _ in self._threads:
                self._calls.put(True)
            while owed:
                row = self._done.get()
                owed -= len(row)
                yield row
        finally:
            if owed:
                self._abandon()

    def _abandon(self) -> None:
        """Be ready for the next batch: take back what no thread has begun, and wait for what one has.

        Nothing is counted, for an interrupt may have come between any two steps.
        """
        self._todo.clear()
        together = threading.Barrier(len(self._threads) + 1)
        for _ in self._threads:
            self._calls.put(together)
        try:
            together.wait()
        finally:
            together.abort()  # whoever presses Ctrl-C once more leaves no thread waiting
            _empty(self._done)

    def _serve(self, number: int, ready: threading.Barrier) -> None:
        slot = f"{socket.gethostname()}:{os.getpid()}:{number}"
        call: threading.Barrier | bool = ready
        while call:
            if isinstance(call, threading.Barrier):
                with suppress(threading.BrokenBarrierError):
                    call.wait()
            else:
                self._work(slot)
            call = self._calls.get()

    def _work(self, slot: str) -> None:
        """Do tasks as long as there are any, and say what became of them, a few at a time."""
        todo, cpu = self._todo, CpuTime()
        held: list[tuple[int, Done | Failure]] = []
        held_s = 0.0
        with suppress(IndexError):
            while True:
                task = todo.popleft()
                try:
                    done = timed(task.stage, task.kernel, task.payload)
                    held.append((task.id, done))
                    held_s += done[2]
                except BaseException as error:  # noqa: BLE001 - a batch would wait for ever on a thread that died
                    held.append((task.id, describe(error)))
                if held_s > HOLD_S or len(held) >= MOST_HELD:
                    self._done.put(TimedRow(slot, held, cpu.share(held_s)))
                    held, held_s = [], 0.0
        if held:
            self._done.put(TimedRow(slot, held, cpu.share(held_s)))


def _empty(queue: SimpleQueue[Any]) -> None:
    with suppress(Empty):
        while True:
            queue.get_nowait()
