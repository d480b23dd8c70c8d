"""The orchestrator's side of `function_host`: ask it, end it at a deadline, and go on with a new one."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from math import inf
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Self

from pydantic import TypeAdapter

from orchestrator import signals
from orchestrator.analysis.load import DRAIN_S, WARMUP_S
from orchestrator.errors import BreakevenError, UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.inputs.workload import Expectation
from orchestrator.measurement.clock import SamplePosition
from orchestrator.model.runs import Cell, Sample, TaskFailure, Trace
from orchestrator.strategies.base import Strategy
from worker.contract import LOST, Failure
from worker.envelope import OversizedMessageError
from worker.values import decode, encode

OK: Final = 1  # the mark of a task that gave an output
FAILED: Final = 2  # of one that failed
NAME: Final = "function"  # of the child process
START_S: Final = 30.0  # seconds it may take to connect
LOAD_S: Final = 60.0  # seconds that importing the function, and reading its inputs, may take
END_S: Final = 5.0  # seconds until a process that was ended must be gone
TICK_S: Final = 0.5  # seconds between two looks at a lost Ctrl-C
INTERRUPT: Final = signal.SIGUSR1  # ends an open loop early; the supervisor has SIGINT ignored
MAX_LOSSES: Final = 3  # samples of a row that may cost the process, before the row is given up


class LostProcessError(Exception):
    """The process ended, or was ended at a deadline; the message says which, without a subject."""


class FunctionProcess:
    """A child process in which a user's function is called."""

    def __init__(self, processes: ChildProcesses, function: str, inputs: str) -> None:
        self.function = function
        self.rows = 0  # entered so far; the next row's number
        self.entered: set[int] = set()  # rows that the present process has
        self.limit_s = LOAD_S  # seconds that a batch may take
        self._processes = processes
        self._inputs = inputs
        self._server = socket.socket(socket.AF_UNIX)
        self._connection: Connection | None = None
        self._marks = processes.folder / "marks"
        self._batch: tuple[Mapping[int, Any], Mapping[int, Expectation], dict[str, Any]] | None = None

    def __enter__(self) -> Self:
        address = str(self._processes.folder / "fn.sock")
        self._server.bind(address)
        self._server.listen(1)
        self._processes.start(
            NAME,
            [sys.executable, "-m", "orchestrator.measurement.function_host", address, self._inputs],
            {"BREAKEVEN_FUNCTIONS": self.function, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            is_worker=True,
        )
        self._accept()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disconnect()
        self._server.close()

    def ask(
        self, do: str, limit_s: float, progress: Callable[..., object] | None = None, **given: Any
    ) -> Any:
        """Have the process do something, and return what it answers.

        Args:
            do: a method of `function_host.Host`.
            limit_s: seconds that it may take.
            progress: takes what the process reports meanwhile; with it, an interrupt has the process answer early.
            given: the arguments.

        Raises:
            LostProcessError: it ended, or was ended because it took longer than `limit_s`.
            UsageError: the function or its inputs cannot be used, or what it returns is too large.
            BreakevenError: something else went wrong.
        """
        deadline = time.monotonic() + limit_s
        try:
            self._connected.send_bytes(encode({"do": do, "with": given}))
            while True:
                try:
                    self._wait(deadline, limit_s)
                    with signals.deferred():
                        answer = decode(self._connected.recv_bytes())
                        if progress is None or "progress" not in answer:
                            break
                        progress(*answer["progress"])
                except KeyboardInterrupt:
                    if progress is None:
                        raise
                    answer = self._answer_now()
                    break
        except (EOFError, OSError):
            raise LostProcessError(self._how_it_ended()) from None
        except OversizedMessageError as error:
            raise UsageError(
                f"an input of {self.function} and its output are too large together: {error}; use arrays, or paths "
                "of files"
            ) from None
        if "refused" in answer:
            raise UsageError(answer["refused"])
        if "error" in answer:
            raise BreakevenError(f"{self.function} cannot be measured: {answer['error']}")
        return answer["value"]

    def restart(self) -> None:
        """Start a new process in place of one that was lost, with the function and the batch.

        Raises:
            UnavailableError: the new one is lost before it can go on.
        """
        self._disconnect()
        self._end()
        self._processes.restart(NAME)
        self._accept()
        try:
            self.ask("load", LOAD_S)
            if self._batch is not None:
                self.set_batch(*self._batch[:2], **self._batch[2])
            else:
                self.ask("read_inputs", LOAD_S)
        except LostProcessError as error:
            raise UnavailableError(
                f"{self.function} cost its process; started again, it {error} before it was called; see what its "
                "module does on import"
            ) from None

    def set_batch(
        self,
        values: Mapping[int, Any],
        expected: Mapping[int, Expectation],
        *,
        tolerance: float,
        verified: bool,
    ) -> None:
        """Give the process its tasks by id, each with its right output or failure."""
        self._batch = (values, expected, {"tolerance": tolerance, "verified": verified})
        self._marks.write_bytes(bytes(max(values, default=0) + 1))
        self.ask("clear", LOAD_S, marks=str(self._marks), tolerance=tolerance, verified=verified)
        for task, value in values.items():
            right = expected[task]
            failure = [right.type, right.message] if isinstance(right, Failure) else None
            self.ask(
                "add", LOAD_S, task=task, value=value, output=None if failure else right, failure=failure
            )

    def marked(self) -> bytes:
        """Return the mark of each task of the last sample: 1 for an output, 2 for a failure, 0 for neither."""
        return self._marks.read_bytes()

    @property
    def tasks(self) -> tuple[int, ...]:
        """The ids of the batch's tasks."""
        return () if self._batch is None else tuple(self._batch[0])

    @property
    def _connected(self) -> Connection:
        if self._connection is None:
            raise EOFError
        return self._connection

    def _wait(self, deadline: float, limit_s: float) -> None:
        while not self._connected.poll(max(0.0, min(TICK_S, deadline - time.monotonic()))):
            signals.check()
            if time.monotonic() >= deadline:
                self._end()
                raise LostProcessError(f"did not end within {limit_s:.3g} s")

    def _answer_now(self) -> Any:
        """Have the process end what it does, and return its answer, or raise `KeyboardInterrupt`."""
        if NAME in self._processes.pids:
            with suppress(ProcessLookupError):
                os.kill(self._processes.pids[NAME], INTERRUPT)
        deadline = time.monotonic() + END_S
        while self._connected.poll(max(0.0, deadline - time.monotonic())):
            answer = decode(self._connected.recv_bytes())
            if "progress" not in answer:
                return answer
        raise KeyboardInterrupt

    def _accept(self) -> None:
        self.entered.clear()
        deadline = time.monotonic() + START_S
        self._server.settimeout(TICK_S)
        while time.monotonic() < deadline:
            signals.check()
            self._processes.poll()
            if NAME in self._processes.ended:
                break
            with suppress(TimeoutError):
                client, _ = self._server.accept()
                client.setblocking(True)
                self._connection = Connection(client.detach())
                return
        reason = self._processes.log(NAME) or f"no answer in {START_S:.0f} s"
        raise UnavailableError(f"the process that calls {self.function} did not start: {reason}")

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _end(self) -> None:
        """End the process, if it is there, and wait until it is gone."""
        deadline = time.monotonic() + END_S
        self._processes.poll()
        if NAME in self._processes.pids:
            self._processes.stop(NAME)
        while NAME in self._processes.pids and time.monotonic() < deadline:
            self._processes.poll(timeout_s=0.05)

    def _how_it_ended(self) -> str:
        self._end()
        code = self._processes.ended.get(NAME, 0)
        if code >= 0:
            return f"ended its process with exit code {code}"
        why = ", probably out of memory" if code == -signal.SIGKILL else ""
        return f"ended its process by {signal.Signals(-code).name}{why}"


class ContainedRow(Strategy):
    """A row whose strategy runs in the process; `take` measures a sample of it there."""

    def __init__(self, cell: Cell, process: FunctionProcess) -> None:
        super().__init__(cell.slots)
        self._cell = asdict(cell)
        self._process = process
        self._losses = 0
        self._row = process.rows
        process.rows += 1

    def __enter__(self) -> Self:
        try:
            self._enter()
        except LostProcessError as error:
            raise UnavailableError(
                f"{self._process.function} {error}; see if it starts processes of its own"
            ) from None
        return self

    def run(self, tasks: object) -> Any:
        """Refuse: tasks are in the process."""
        raise NotImplementedError("a contained row is measured by `take`")

    def take(
        self, at: SamplePosition, clock: Callable[[], float] = time.perf_counter
    ) -> tuple[Sample, tuple[TaskFailure, ...]]:
        """Take a sample; if it costs the process, its unfinished tasks are lost and a new process goes on."""
        started = clock()
        try:
            return self._taken("measure", self._process.limit_s, at)
        except LostProcessError as error:
            return self._lost(at, clock() - started, str(error))

    def take_open_loop(
        self,
        at: SamplePosition,
        planned_s: Sequence[float],
        duration_s: float,
        progress: Callable[[float, float, int], object],
    ) -> tuple[Sample, tuple[TaskFailure, ...]]:
        """Take a sample under load, as `OpenLoop.measure` does; if it costs the process, all its tasks are lost.

        Raises:
            KeyboardInterrupt: during the warm-up.
        """
        limit_s = WARMUP_S + duration_s + DRAIN_S + self._process.limit_s
        given = {"planned_s": list(planned_s), "duration_s": duration_s}
        try:
            return self._taken("open_loop", limit_s, at, progress, **given)
        except LostProcessError as error:
            self._go_on()
            why = str(error)
        arrivals = len(planned_s)
        nothing = (None,) * arrivals
        lost = Trace(
            duration_s,
            tuple(round(each * 1e6) for each in planned_s),
            nothing,
            nothing,
            nothing,
            tuple(range(arrivals)),
        )
        sample = Sample(
            at.round,
            at.position,
            at.at_s,
            duration_s,
            max(1, sum(each >= 0 for each in planned_s)),
            ok=0,
            lost=arrivals,
            disturbed=f"{self._process.function} {why}",
            trace=lost,
        )
        return sample, tuple(TaskFailure(task, LOST, f"the function {why}") for task in self._process.tasks)

    def sending_rate(self) -> float:
        """Return how many tasks a second can be sent to this row at most; infinity if that costs the process."""
        try:
            self._enter()
            return float(self._process.ask("sending_rate", DRAIN_S + self._process.limit_s, row=self._row))
        except LostProcessError:
            self._go_on()
            return inf

    def _taken(
        self,
        do: str,
        limit_s: float,
        at: SamplePosition,
        progress: Callable[[float, float, int], object] | None = None,
        **given: Any,
    ) -> tuple[Sample, tuple[TaskFailure, ...]]:
        if self._losses >= MAX_LOSSES:
            raise LostProcessError("did so before, so this row was given up")
        self._enter()
        place = {"round_": at.round, "position": at.position, "at_s": at.at_s}
        answer = self._process.ask(do, limit_s, progress, row=self._row, **place, **given)
        if answer is None:
            raise KeyboardInterrupt
        failures = tuple(TaskFailure(*each) for each in answer["failures"])
        return _samples().validate_python(answer["sample"]), failures

    def _go_on(self) -> bool:
        """Replace the process that this row cost; return whether it did, or had been given up before."""
        if self._losses >= MAX_LOSSES:
            return False
        self._losses += 1
        self._process.restart()
        return True

    def overhead_s(self, beside_work: bool) -> float | None:
        """Return what a short task costs beside its work, in seconds of a slot; `None` if that cost the process."""
        try:
            self._enter()
            return float(self._process.ask("overhead_s", LOAD_S, row=self._row, beside_work=beside_work))
        except LostProcessError:
            self._go_on()
            return None

    def _enter(self) -> None:
        if self._row not in self._process.entered:
            self._process.ask("enter", LOAD_S, row=self._row, cell=self._cell)
            self._process.entered.add(self._row)

    def _lost(self, at: SamplePosition, took_s: float, why: str) -> tuple[Sample, tuple[TaskFailure, ...]]:
        marks = self._process.marked()
        if not self._go_on():
            marks = bytes(len(marks))
        tasks = self._process.tasks
        lost = [task for task in tasks if not marks[task]]
        sample = Sample(
            at.round,
            at.position,
            at.at_s,
            max(took_s, 1e-9),
            len(tasks),
            ok=sum(marks[task] == OK for task in tasks),
            failed=sum(marks[task] == FAILED for task in tasks),
            lost=len(lost),
            disturbed=f"{self._process.function} {why}",
        )
        return sample, tuple(TaskFailure(task, LOST, f"the function {why}") for task in lost)


@cache
def _samples() -> TypeAdapter[Sample]:
    return TypeAdapter(Sample)
