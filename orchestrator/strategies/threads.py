"""A pool of threads in this process: gains where kernels wait, or compute with the GIL released.

Written on two `SimpleQueue`s and not on `concurrent.futures`, whose future, condition and set of waiters
cost each task some tens of microseconds; a queue of C costs about one.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from orchestrator.errors import UnavailableError
from orchestrator.strategies.strategy import Strategy
from worker.contract import Outcome, Task
from worker.execution import describe, execute

WINDOW = 32
"""Tasks a slot that may be begun or done before the orchestrator takes their outcomes: bounds the memory of
a long batch, and still keeps every thread busy while the orchestrator waits its turn for the GIL."""

START_S = 10.0
"""By then every thread has answered, or the machine has none to give."""


class Threads(Strategy):
    """Runs tasks on `slots` threads that are all up before the first batch and stay until the end."""

    def __init__(self, slots: int) -> None:
        """Remember the number of threads, at least 1."""
        super().__init__(slots)
        self._todo: SimpleQueue[Task | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome] = SimpleQueue()
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
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._take_back()

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the batch; closing the iterator waits for the tasks that a thread has begun, and no others."""
        ahead = iter(tasks)
        flying = 0
        try:
            for task in islice(ahead, self.slots * WINDOW):
                self._todo.put(task)
                flying += 1
            while flying:
                outcome = self._done.get()
                flying -= 1
                for task in islice(ahead, 1):
                    self._todo.put(task)
                    flying += 1
                yield outcome
        finally:
            flying -= self._take_back()
            for _ in range(flying):
                self._done.get()

    def _take_back(self) -> int:
        """Take what no thread has begun; how many that were."""
        taken = 0
        with suppress(Empty):
            while True:
                self._todo.get_nowait()
                taken += 1
        return taken

    def _serve(self, number: int, ready: threading.Barrier) -> None:
        slot = f"{socket.gethostname()}:{os.getpid()}:{number}"
        with suppress(threading.BrokenBarrierError):
            ready.wait()
        while (task := self._todo.get()) is not None:
            try:
                outcome = execute(task, slot)
            except BaseException as error:  # noqa: BLE001 - a batch would wait for ever on a thread that died
                outcome = Outcome(task.id, failure=describe(error), slot=slot)
            self._done.put(outcome)
