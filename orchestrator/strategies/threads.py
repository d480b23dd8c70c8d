"""A pool of threads in this process: gains where kernels wait, or compute with the GIL released.

Written on two `SimpleQueue`s and not on `concurrent.futures`, whose future, condition and set of waiters
cost each task some tens of microseconds; a queue of C costs about one.

The orchestrator is one more thread that wants the GIL or a processor, so it is not woken for each outcome: threads
keep theirs while there is more to do, and hand over several at a time.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self

from orchestrator.errors import UnavailableError
from orchestrator.strategies.strategy import Strategy
from worker.contract import Failure, Outcome, Task
from worker.execution import HOLD_S, MOST_HELD, CpuTime, Done, describe, outcome_of, timed

WINDOW = 2 * MOST_HELD
"""Tasks a slot that may be begun or done before the orchestrator takes their outcomes: bounds the memory of
a long batch, and still keeps every thread busy while the orchestrator waits its turn for the GIL."""

START_S = 10.0
"""By then every thread has answered, or the machine has none to give."""


class Row(NamedTuple):
    """What one thread did since it last handed over: task ids with what became of them, and its CPU share of that."""

    slot: str
    done: Sequence[tuple[int, Done | Failure]]
    cpu_share: float

    def outcomes(self) -> Iterator[Outcome]:
        """The outcome of each; of what would have ended its thread no times are known."""
        for task_id, done in self.done:
            if isinstance(done, Failure):
                yield Outcome(task_id, failure=done, slot=self.slot)
            else:
                yield outcome_of(task_id, done, self.cpu_share, self.slot)


class Threads(Strategy):
    """Runs tasks on `slots` threads that are all up before the first batch and stay until the end."""

    def __init__(self, slots: int) -> None:
        """Remember the number of threads, at least 1."""
        super().__init__(slots)
        self._todo: SimpleQueue[Task | threading.Barrier | None] = SimpleQueue()
        self._done: SimpleQueue[Row] = SimpleQueue()
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
        _empty(self._todo)

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the batch; closing the iterator waits for the tasks that a thread has begun, and no others."""
        ahead = iter(tasks)
        owed = len(tasks)
        try:
            self._give(islice(ahead, self.slots * WINDOW))
            while owed:
                row = self._done.get()
                self._give(islice(ahead, len(row.done)))
                for outcome in row.outcomes():
                    owed -= 1
                    yield outcome
        finally:
            if owed:
                self._abandon()

    def _give(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._todo.put(task)

    def _abandon(self) -> None:
        """Be ready for the next batch: take back what no thread has begun, and wait for what one has.

        Nothing is counted, for an interrupt may have come between any two steps.
        """
        _empty(self._todo)
        together = threading.Barrier(len(self._threads) + 1)
        for _ in self._threads:
            self._todo.put(together)
        try:
            together.wait()
        finally:
            together.abort()  # whoever presses Ctrl-C once more leaves no thread waiting
            _empty(self._done)

    def _serve(self, number: int, ready: threading.Barrier) -> None:
        slot = f"{socket.gethostname()}:{os.getpid()}:{number}"
        with suppress(threading.BrokenBarrierError):
            ready.wait()
        cpu = CpuTime()
        held: list[tuple[int, Done | Failure]] = []
        held_s = 0.0
        while True:
            try:
                task = self._todo.get_nowait()
            except Empty:  # the last thing to do before a thread waits is to say what it has done
                self._hand_over(slot, held, held_s, cpu)
                held, held_s = [], 0.0
                task = self._todo.get()
            if task is None:
                return
            if isinstance(task, threading.Barrier):
                held, held_s, cpu = [], 0.0, CpuTime()
                with suppress(threading.BrokenBarrierError):
                    task.wait()
                continue
            try:
                done = timed(task.stage, task.kernel, task.payload)
                held.append((task.id, done))
                held_s += done[2]
            except BaseException as error:  # noqa: BLE001 - a batch would wait for ever on a thread that died
                held.append((task.id, describe(error)))
            if held_s > HOLD_S or len(held) >= MOST_HELD:
                self._hand_over(slot, held, held_s, cpu)
                held, held_s = [], 0.0

    def _hand_over(
        self, slot: str, held: Sequence[tuple[int, Done | Failure]], held_s: float, cpu: CpuTime
    ) -> None:
        if held:
            self._done.put(Row(slot, held, cpu.share(held_s)))


def _empty(queue: SimpleQueue[Any]) -> None:
    with suppress(Empty):
        while True:
            queue.get_nowait()
