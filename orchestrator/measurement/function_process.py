"""The orchestrator's side of `function_host`: ask it, end it at a deadline, and go on with a new one."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Self

from pydantic import TypeAdapter

from orchestrator import signals
from orchestrator.errors import BreakevenError, UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.inputs.workload import Expectation
from orchestrator.measurement.clock import SamplePosition
from orchestrator.model.runs import Cell, Sample, TaskFailure
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

    def ask(self, do: str, limit_s: float, **given: Any) -> Any:
        """Have the process do something, and return what it answers.

        Raises:
            LostProcessError: it ended, or was ended because it took longer than `limit_s`.
            UsageError: the function or its inputs cannot be used, or what it returns is too large.
            BreakevenError: something else went wrong.
        """
        deadline = time.monotonic() + limit_s
        try:
            self._connected.send_bytes(encode({"do": do, "with": given}))
            while not self._connected.poll(max(0.0, min(TICK_S, deadline - time.monotonic()))):
                signals.check()
                if time.monotonic() >= deadline:
                    self._end()
                    raise LostProcessError(f"did not end within {limit_s:.3g} s")
            answer = decode(self._connected.recv_bytes())
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
            if self._losses >= MAX_LOSSES:
                raise LostProcessError("did so before, so this row was given up")
            self._enter()
            answer = self._process.ask(
                "measure",
                self._process.limit_s,
                row=self._row,
                round_=at.round,
                position=at.position,
                at_s=at.at_s,
            )
        except LostProcessError as error:
            return self._lost(at, clock() - started, str(error))
        failures = tuple(TaskFailure(*each) for each in answer["failures"])
        return _samples().validate_python(answer["sample"]), failures

    def _enter(self) -> None:
        if self._row not in self._process.entered:
            self._process.ask("enter", LOAD_S, row=self._row, cell=self._cell)
            self._process.entered.add(self._row)

    def _lost(self, at: SamplePosition, took_s: float, why: str) -> tuple[Sample, tuple[TaskFailure, ...]]:
        given_up = self._losses >= MAX_LOSSES
        marks = bytes(len(self._process.marked())) if given_up else self._process.marked()
        if not given_up:
            self._losses += 1
            self._process.restart()
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
