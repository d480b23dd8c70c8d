"""`concurrent.futures.ProcessPoolExecutor`: an interpreter and a GIL for each slot.

When a process dies, the executor breaks as a whole, and a batch loses every call that was in flight. So what has no
outcome is done again in a new pool; if that breaks too, one task at a time, which shows the task that kills its
process. Either way the sample counts as disturbed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from math import inf
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Final, Self

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet.fleet import Fleet
from orchestrator.model.runs import Cell
from orchestrator.strategies.arrivals import Arrivals
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.process_transports import TRANSPORTS, NoSharedMemoryError
from worker import pool_process
from worker.contract import LOST, Failure, Outcome, Task
from worker.execution import chunks_of, describe
from worker.settings import settings

START_S: Final = 60.0  # seconds until every process of a pool must be up
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # as a Celery worker's slots
ABANDON_S: Final = 1.0  # seconds that calls of a batch that was closed early may still take
TICK_S: Final = 1.0  # seconds between two looks at the time limit and at a lost Ctrl-C
LIMITS_ALONE: Final = 2  # time limits that a batch may go on for, one task at a time


class Processes(Strategy):
    """Runs chunks of tasks on `slots` processes, which start before the first batch and stay until the end.

    Args:
        slots: how many processes.
        chunk: tasks a call.
        transport: how payloads cross, a name of `TRANSPORTS`.
        task_time_limit_s: the processes are ended when no call has ended for as long; the workers' setting if `None`.
    """

    after_a_death: ClassVar[str] = "so what was left was done again in a new pool"

    def __init__(
        self, slots: int, chunk: int = 1, transport: str = "pickle", task_time_limit_s: float | None = None
    ) -> None:
        super().__init__(slots)
        self._chunk = chunk
        self._transport_name = transport
        self._limit_s = settings().task_time_limit_s if task_time_limit_s is None else task_time_limit_s
        self._upset: str | None = None
        self._pool: ProcessPool

    @classmethod
    def for_cell(cls, cell: Cell, fleet: Fleet | None) -> Self:
        """Make the strategy that does a cell; a cell without transport and chunk is done as `map` does it."""
        return cls(cell.slots, cell.chunk or 1, cell.transport or "pickle")

    def __enter__(self) -> Self:
        """Start the processes and wait until each is up; raises what `ProcessPool` does."""
        self._pool = ProcessPool(self.slots)
        self._transport = TRANSPORTS[self._transport_name](self.slots)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, whatever they do, and wait until they are gone."""
        if error is not None:
            self._pool.kill()
        self._pool.close()
        self._transport.close()

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch; closing the generator waits a second for calls in flight, then ends their processes."""
        left = {task.id: task for task in tasks}
        yield from self._attempt(left)
        if left:
            self._renew(self.slots)
            yield from self._attempt(left)
        if left:
            self._renew(1)
            try:
                yield from self._one_at_a_time(left)
            finally:
                self._renew(self.slots)

    def serve(self, arrivals: Arrivals) -> Generator[Outcome, None, None]:
        """Submit each task when it arrives; what was in flight when the pool broke is done again, once."""
        left: dict[int, Task] = {}
        repeated: set[int] = set()
        while arrivals.goes_on(bool(left)):
            yield from self._attempt(left, arrivals)
            if not arrivals.goes_on(bool(left)):
                return
            end = self._renew(self.slots) or "the pool broke"
            for task_id in repeated & left.keys():
                yield _lost(left.pop(task_id), f"{end} for the second time while this task was in flight")
            repeated = set(left)

    def disturbance(self) -> str | None:
        """Return how the first process that died ended; a pool that broke while it was idle is replaced now."""
        if not self._pool.is_whole:
            self._renew(self.slots)
        upset, self._upset = self._upset, None
        return upset

    def _attempt(
        self, left: dict[int, Task], arrivals: Arrivals | None = None
    ) -> Generator[Outcome, None, None]:
        """Do the tasks in `left`, and those that arrive, and remove those that end.

        The rest stays there if the pool breaks, or if outputs of `arrivals` do not count any more.
        """
        waiting = deque(chunks_of(list(left.values()), self._chunk))
        sent: dict[Future[Any], Sequence[Task]] = {}
        ended: SimpleQueue[Future[Any]] = SimpleQueue()
        most = self._transport.most_in_flight or inf
        try:
            while arrivals.goes_on(bool(left)) if arrivals else waiting or sent:
                waiting += _arrived(arrivals, left)
                while waiting and len(sent) < most:
                    yield from self._send(waiting.popleft(), left, sent, ended)
                if not sent and arrivals is None:
                    break
                answered = self._next(ended, arrivals)
                if answered is None:
                    continue
                chunk = sent.pop(answered)
                try:
                    outcomes = self._transport.outcomes(answered)
                except BrokenProcessPool:
                    raise
                except Exception as error:  # noqa: BLE001 - what cannot be pickled is its own task's failure
                    if len(chunk) == 1:
                        yield from _failed(left, chunk, error)
                    else:
                        waiting.extendleft([task] for task in chunk)
                    continue
                for outcome in outcomes:
                    del left[outcome.task_id]
                    yield outcome
        except BrokenProcessPool:
            # The caller sees what is left. The executor ends every call, and fails at one that is cancelled meanwhile.
            wait(sent, self._limit_s)
        finally:
            self._abandon(list(sent))

    def _send(
        self,
        chunk: Sequence[Task],
        left: dict[int, Task],
        sent: dict[Future[Any], Sequence[Task]],
        ended: SimpleQueue[Future[Any]],
    ) -> Generator[Outcome, None, None]:
        try:
            call = self._transport.send(self._pool.executor, chunk)
        except NoSharedMemoryError as error:
            yield from _failed(left, chunk, error)
        else:
            sent[call] = chunk
            call.add_done_callback(ended.put)

    def _next(self, ended: SimpleQueue[Future[Any]], arrivals: Arrivals | None) -> Future[Any] | None:
        """Wait for the next call that ends; when none does within the time limit, end the pool's processes.

        With `arrivals`, return `None` when the next task arrives, or after `TICK_S`.
        """
        deadline = time.monotonic() + self._limit_s
        while True:
            wait_s = arrivals.wait_s(TICK_S) if arrivals else min(TICK_S, deadline - time.monotonic())
            try:
                return ended.get(timeout=max(0.0, wait_s))
            except Empty:
                signals.check()
                if not self._pool.is_whole:  # the executor waits for the rest of a dead process's answer
                    self._pool.kill()
            if arrivals is not None:
                return None
            if time.monotonic() >= deadline:
                self._pool.kill(f"was ended after the limit of {self._limit_s:g} s")
                deadline += self._limit_s

    def _abandon(self, calls: list[Future[Any]]) -> None:
        """Get ready for the next batch: no call is in flight any more, and its memory is free."""
        running = [call for call in calls if not call.cancel()]
        if wait(running, ABANDON_S).not_done:
            self._pool.kill()
            self._pool.close()
            self._pool = ProcessPool(self.slots)
        self._transport.release()

    def _one_at_a_time(self, left: dict[int, Task]) -> Generator[Outcome, None, None]:
        """Do each task alone, so that only those which kill their process are lost; after a deadline, all are."""
        deadline = time.monotonic() + LIMITS_ALONE * self._limit_s
        for task in list(left.values()):
            if time.monotonic() > deadline:
                break
            alone = {task.id: task}
            yield from self._attempt(alone)
            del left[task.id]
            if alone:
                yield _lost(task, f"{self._renew(1) or 'the pool broke'} in the middle of this task")
        for task in left.values():
            yield _lost(task, "processes had died before, and the time for doing tasks one by one was over")

    def _renew(self, slots: int) -> str | None:
        """Replace the pool by one of `slots` processes; return which process of the old one died and how."""
        self._pool.close()
        end = self._pool.end_of_the_first()
        if end is not None and self._upset is None:
            self._upset = f"{end}, {self.after_a_death}"
        self._pool = ProcessPool(slots)
        return end


def _arrived(arrivals: Arrivals | None, left: dict[int, Task]) -> list[Sequence[Task]]:
    task = arrivals.take() if arrivals is not None else None
    if task is None:
        return []
    left[task.id] = task
    return [[task]]


class IdiomaticProcesses(Processes):
    """`ProcessPoolExecutor.map` over the tasks: arrays are pickled, and outcomes come in order.

    A process that dies breaks the pool, and `map` loses what has not come yet; so that is lost here, too.
    """

    after_a_death = "so what map had not returned was lost"

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch; closing the generator cancels the calls that have not begun."""
        limit_s, ended = self._limit_s * len(tasks), 0
        try:
            for outcome in self._pool.executor.map(pool_process.run_task, tasks, timeout=limit_s):
                ended += 1
                yield outcome
        except (BrokenProcessPool, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                self._pool.kill(f"was ended after the limit of {limit_s:g} s")
            end = self._renew(self.slots) or "the pool broke"
            yield from (_lost(task, f"{end}, {self.after_a_death}") for task in tasks[ended:])


def _lost(task: Task, why: str) -> Outcome:
    return Outcome(task.id, failure=Failure(LOST, why))


def _failed(left: dict[int, Task], tasks: Sequence[Task], error: Exception) -> Generator[Outcome, None, None]:
    for task in tasks:
        del left[task.id]
        yield Outcome(task.id, failure=describe(error))


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
        self._ended: list[BaseProcess] = []  # when the pool was killed or closed
        self._executor: ProcessPoolExecutor | None = None
        calls: list[Future[Any]] = []
        try:
            # Its queues and the barrier take semaphores, for which /dev/shm may have no room.
            self._executor = ProcessPoolExecutor(
                slots,
                mp_context=context,
                initializer=pool_process.start,
                initargs=(context.Barrier(slots), START_S),
            )
            with _one_thread_each(), _interrupts_blocked(), _main_module_hidden():
                for _ in range(slots):  # none ends before all are up, so each starts a process
                    calls.append(self.executor.submit(os.getpid))
                    self.processes = list(set(multiprocessing.active_children()) - others)
            for call in calls:
                call.result(START_S)
            # Without it, the pipe ends when all processes have. With it, the executor would wait for ever for the rest
            # of an answer whose process was killed while writing it.
            self.executor._result_queue._writer.close()  # type: ignore[attr-defined]  # its only handle
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
        return not self._ended_now()

    def kill(self, reason: str | None = None) -> None:
        """End every process, whatever it does; `reason` is what `end_of_the_first` says if none had died before."""
        self._ended = self._ended or self._ended_now()
        self._reason = self._reason if self._ended else reason
        for process in self.processes:
            process.kill()

    def end_of_the_first(self) -> str | None:
        """Return which process of a closed pool died by itself and how; the executor ends the others."""
        if not self._ended:
            return None
        first = min(self._ended, key=lambda each: each.exitcode == -signal.SIGTERM)
        return f"pool process {first.pid} {self._reason or _end(first.exitcode or 0)}"

    def close(self) -> None:
        """End the processes and wait until they are gone; those at work end after their calls, unless killed."""
        self._ended = self._ended or self._ended_now()
        broken = False
        if self._ended:
            # One that died may hold the lock of the queue of calls. If the executor sees the shutdown before the death,
            # it asks the others to end, and waits for ever for those that wait for that lock.
            for process in self.processes:
                process.kill()
        if self._executor is not None:
            broken = bool(self._executor._broken)
            self._executor.shutdown(cancel_futures=True)
            self._executor = None  # its queues have semaphores, which last as long as it does
        for process in self.processes:
            process.kill()  # it has ended, unless the executor failed while it ended them
            process.join()
        if broken and not self._ended:  # the executor may notice before the process is gone
            self._ended = self.processes

    def _ended_now(self) -> list[BaseProcess]:
        # Not by exit codes: they can be read once, and the executor's thread may be reading them.
        ended = connection.wait([process.sentinel for process in self.processes], timeout=0)
        return [process for process in self.processes if process.sentinel in ended]


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
