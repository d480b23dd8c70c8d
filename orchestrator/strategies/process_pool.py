"""A `ProcessPoolExecutor` whose processes are all up and known, so that they can be ended and their end told."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Final

from orchestrator.errors import UnavailableError
from worker import pool_process

START_S: Final = 60.0  # seconds until every process of a pool must be up
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as a Celery worker's slots


class ProcessPool:
    """A pool of `slots` processes, all up, forked from a server that has loaded what they need.

    Raises:
        UnavailableError: a process could not be started, died, or was not up in time.
    """

    def __init__(self, slots: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["worker.pool_process"])
        others = set(multiprocessing.active_children())
        self._reason: str | None = None
        self.processes: list[BaseProcess] = []
        self._executor: ProcessPoolExecutor | None = ProcessPoolExecutor(
            slots,
            mp_context=context,
            initializer=pool_process.start,
            initargs=(context.Barrier(slots), START_S),
        )
        calls: list[Future[Any]] = []
        try:
            with _one_thread_each(), _interrupts_blocked(), _main_module_hidden():
                for _ in range(slots):  # none ends before all are up, so each starts a process
                    calls.append(self.executor.submit(os.getpid))
                    self.processes = list(set(multiprocessing.active_children()) - others)
            for call in calls:
                call.result(START_S)
        except BaseException as error:
            if not isinstance(error, BrokenProcessPool):  # in which case the executor ends the others
                self.kill()
            self.close()
            if not isinstance(error, (OSError, RuntimeError, TimeoutError)):
                raise
            raise UnavailableError(
                f"{slots} pool processes did not start: {self.end_of_the_first() or error}; see the messages above, "
                "or ask for fewer slots"
            ) from error

    @property
    def executor(self) -> ProcessPoolExecutor:
        """What takes the calls; raises `BrokenProcessPool` once a process has died."""
        if self._executor is None:
            raise BrokenProcessPool("the pool is closed")
        return self._executor

    @property
    def is_whole(self) -> bool:
        """Whether every process is alive."""
        return not connection.wait([process.sentinel for process in self.processes], timeout=0)

    def kill(self, reason: str | None = None) -> None:
        """End every process, whatever it does; `reason` is what `end_of_the_first` will say."""
        self._reason = reason
        for process in self.processes:
            process.kill()

    def end_of_the_first(self) -> str | None:
        """Return which process of a closed pool died by itself and how; the executor ends the others."""
        ended = [each for each in self.processes if each.exitcode not in (None, 0)]
        if not ended:
            return None
        first = min(ended, key=lambda each: each.exitcode == -signal.SIGTERM)
        return f"pool process {first.pid} {self._reason or _end(first.exitcode or 0)}"

    def close(self) -> None:
        """End the processes and wait until they are gone; those at work end after their calls, unless killed."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None  # its queues have semaphores, which last as long as it does
        for process in self.processes:
            process.join()


def _end(exit_code: int) -> str:
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Give numerical libraries of the pool's processes one thread each."""
    before = {name: os.environ[name] for name in ONE_THREAD if name in os.environ}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name in ONE_THREAD:
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes with these signals blocked, so that none can reach one before it ignores them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep new processes from importing the main module again: a script without a guard, pytest, our command line."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
