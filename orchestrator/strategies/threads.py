"""A pool of threads in this process: gains where kernels wait, or compute with the GIL released.

Written on two `SimpleQueue`s and not on `concurrent.futures`, whose future, condition and set of waiters
cost each task some tens of microseconds; a queue of C costs about one.

The orchestrator is one more thread that wants the GIL or a processor, so it is not woken for each outcome: threads
keep theirs while there is more to do.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from orchestrator.errors import UnavailableError
from orchestrator.strategies.strategy import Strategy
from worker.contract import Failure, Outcome, Task
from worker.execution import HOLD_S, MOST_HELD, Done, describe, outcome_of, timed

WINDOW = 2 * MOST_HELD
"""Tasks a slot that may be begun or done before the orchestrator takes their outcomes: bounds the memory of
a long batch, and still keeps every thread busy while the orchestrator waits its turn for the GIL."""

START_S = 10.0
"""By then every thread has answered, or the machine has none to give."""


class Threads(Strategy):
    """Runs tasks on `slots` threads that are all up before the first batch and stay until the end."""

    def __init__(self, slots: int) -> None:
        """Remember the number of threads, at least 1."""
        super().__init__(slots)
        self._todo: SimpleQueue[Task | threading.Barrier | None] = SimpleQueue()
        self._done: deque[tuple[int, Done | Failure, str]] = deque()
        self._call: SimpleQueue[None] = SimpleQueue()
        self._taken_at = 0.0
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
        self._drain()

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the batch; closing the iterator waits for the tasks that a thread has begun, and no others.

        A thread adds its outcome before it looks whether to call, so whoever finds no task left or a call that was
        not heard yet may go on: what it added will be taken.
        """
        ahead = iter(tasks)
        owed = len(tasks)
        try:
            self._give(islice(ahead, self.slots * WINDOW))
            while owed:
                outcomes = self._await_some()
                self._give(islice(ahead, len(outcomes)))
                for outcome in outcomes:
                    owed -= 1
                    yield outcome
        finally:
            if owed:
                self._abandon()

    def _give(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._todo.put(task)

    def _await_some(self) -> Sequence[Outcome]:
        """What is done, once a thread says that it is time; nothing if all was taken before it said so."""
        self._call.get()
        self._taken_at = time.monotonic()
        return [_outcome(*self._done.popleft()) for _ in range(len(self._done))]

    def _is_due(self) -> bool:
        """Whether the orchestrator is to be called, which is not on its way already."""
        held = len(self._done)
        late = time.monotonic() - self._taken_at > HOLD_S
        return self._call.empty() and (self._todo.empty() or late or held >= self.slots * MOST_HELD)

    def _abandon(self) -> None:
        """Be ready for the next batch: take back what no thread has begun, and wait for what one has.

        Nothing is counted, for an interrupt may have come between any two steps.
        """
        self._drain()
        together = threading.Barrier(len(self._threads) + 1)
        for _ in self._threads:
            self._todo.put(together)
        try:
            together.wait()
        finally:
            together.abort()  # whoever presses Ctrl-C once more leaves no thread waiting
            self._done.clear()

    def _drain(self) -> None:
        with suppress(Empty):
            while True:
                self._todo.get_nowait()

    def _serve(self, number: int, ready: threading.Barrier) -> None:
        slot = f"{socket.gethostname()}:{os.getpid()}:{number}"
        with suppress(threading.BrokenBarrierError):
            ready.wait()
        while (task := self._todo.get()) is not None:
            if isinstance(task, threading.Barrier):
                with suppress(threading.BrokenBarrierError):
                    task.wait()
                continue
            done: Done | Failure
            try:
                done = timed(task.stage, task.kernel, task.payload)
            except BaseException as error:  # noqa: BLE001 - a batch would wait for ever on a thread that died
                done = describe(error)
            self._done.append((task.id, done, slot))
            if self._is_due():
                self._call.put(None)


def _outcome(task_id: int, done: Done | Failure, slot: str) -> Outcome:
    """The outcome of what a thread did; of what would have ended it no times are known."""
    if isinstance(done, Failure):
        return Outcome(task_id, failure=done, slot=slot)
    return outcome_of(task_id, done, slot)
