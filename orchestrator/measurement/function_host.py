"""The child process in which a user's function runs in-process, so that it can hurt that process alone.

`python -m orchestrator.measurement.function_host SOCKET INPUTS` connects to the orchestrator's socket and obeys:
each request is the name of a method of `Host` with its arguments, each answer what it returned. Requests and answers
are values as `worker.values` writes them.
"""

from __future__ import annotations

import gc
import mmap
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import BreakevenError
from orchestrator.inputs.function_inputs import InputsError, read_inputs
from orchestrator.inputs.workload import Expectation, matches
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.measurement.function_process import FAILED, INTERRUPT, OK
from orchestrator.measurement.open_loop import OpenLoop, Progress, sending_rate_per_s
from orchestrator.measurement.preflight import overhead_s
from orchestrator.model.runs import Cell, Sample, Stations, TaskFailure
from orchestrator.strategies.base import Strategy, make_strategy
from worker import functions
from worker.allocator import keep_freed_memory
from worker.contract import Failure, Outcome, Task
from worker.execution import execute_in_pool
from worker.functions import FunctionError, allowed
from worker.redaction import escape_control
from worker.settings import settings
from worker.values import UncrossableError, check, decode, encode

NEVER_CHANGED: Final = (type(None), bool, int, float, str, bytes)  # no function can change such an input


class Host:
    """What the orchestrator asks of this process."""

    def __init__(self, inputs: str, progress: Progress) -> None:
        self._spec = inputs
        self._progress = progress
        self._inputs: list[Any] = []
        self._values: dict[int, Any] = {}  # of the batch's tasks, by id
        self._encoded: dict[int, bytes] = {}  # the same of inputs that a function may change
        self._expected: dict[int, Expectation] = {}
        self._matches: Callable[[Expectation, Outcome], bool] = matches
        self._marks: mmap.mmap | None = None
        self._rows: dict[int, Strategy] = {}
        self._open = ExitStack()
        self._name = settings().functions[0]

    def load(self) -> dict[str, Any]:
        """Import the function; return whether it is a coroutine, and its version."""
        function = allowed(self._name)
        return {"asynchronous": function.coroutine is not None, "version": function.version}

    def read_inputs(self) -> dict[str, Any]:
        """Read the inputs; return their number."""
        self._inputs = read_inputs(self._spec, settings().function_folders)
        return {"count": len(self._inputs)}

    def attempt(self, index: int) -> dict[str, Any]:
        """Call the function on one input; return what it took, its output or failure, and why that cannot cross.

        The call has a copy of the input, and `changed` is whether the function changed it.
        """
        value = self._inputs[index]
        before = encode(value)
        given = decode(before)
        cpu_s, started = _cpu_s(), time.perf_counter()
        outcome = execute_in_pool(Task(index, "function", self._name, given), "")
        seconds = time.perf_counter() - started
        if outcome.hops is not None:
            seconds = outcome.hops.compute_s
        said: dict[str, Any] = {"seconds": seconds, "cpu_s": _cpu_s() - cpu_s, "input": value, "fault": None}
        said["changed"] = _changed(before, given)
        said["failure"] = outcome.failure and [outcome.failure.type, outcome.failure.message]
        try:
            check(outcome.output)
            said["output"] = outcome.output
            said["bytes"] = [len(before), len(encode(outcome.output))]
        except UncrossableError as error:
            said["fault"] = str(error)
        return said

    def clear(self, marks: str, tolerance: float, verified: bool) -> None:
        """Forget the batch, and prepare for another.

        Args:
            marks: a file of a byte a task, in which each task that ends is marked.
            tolerance: within which floats of outputs are equal.
            verified: whether outputs are compared at all.
        """
        self._values, self._encoded, self._expected = {}, {}, {}
        self._matches = partial(matches, tolerance=tolerance) if verified else _anything
        with Path(marks).open("r+b") as file:
            self._marks = mmap.mmap(file.fileno(), 0)

    def add(self, task: int, value: Any, output: Any, failure: Sequence[str] | None) -> None:
        """Add a task to the batch, with its right output or failure."""
        if isinstance(value, NEVER_CHANGED):
            self._values[task] = value
        else:
            self._encoded[task] = encode(value)
        self._expected[task] = output if failure is None else Failure(*failure)

    def enter(self, row: int, cell: dict[str, Any]) -> dict[str, Any]:
        """Start a row's strategy; return the seconds that it took."""
        started = time.perf_counter()
        self._rows[row] = self._open.enter_context(make_strategy(Cell(**cell), None))
        gc.collect()
        gc.freeze()  # so that collecting before a sample is short
        return {"seconds": time.perf_counter() - started}

    def overhead_s(self, row: int, beside_work: bool) -> float:
        """Return what a short task of a row costs beside its work, in seconds of a slot."""
        return overhead_s(self._rows[row], beside_work)

    def measure(self, row: int, round_: int, position: int, at_s: float) -> dict[str, Any]:
        """Take a sample of a row; return it, and the tasks that failed."""
        if self._marks is None:
            raise BreakevenError("a row is measured before its batch is there")
        marked = _Marked(self._rows[row], self._marks)
        place = SamplePosition(round_, position, at_s)
        sample, failures = measure(marked, self._tasks(), self._expected, place, matches=self._matches)
        return _answer(sample, failures)

    def sending_rate(self, row: int) -> float:
        """Return how many tasks a second can be sent to a row at most."""
        return sending_rate_per_s(self._rows[row], self._tasks())

    def open_loop(
        self, row: int, planned_s: list[float], duration_s: float, round_: int, position: int, at_s: float
    ) -> dict[str, Any] | None:
        """Take a sample of a row under load; `INTERRUPT` ends it early, in the warm-up without a sample."""
        loop = OpenLoop(
            self._rows[row],
            self._tasks(),
            self._expected,
            planned_s,
            duration_s,
            self._progress,
            matches=self._matches,
        )
        signal.signal(INTERRUPT, signal.default_int_handler)
        try:
            sample, failures = loop.measure(SamplePosition(round_, position, at_s))
        except KeyboardInterrupt:
            return None
        finally:
            signal.signal(INTERRUPT, signal.SIG_IGN)
        return _answer(sample, failures)

    def _tasks(self) -> list[Task]:
        """The batch, with inputs that no earlier call has changed."""
        values = self._values | {task: decode(data) for task, data in self._encoded.items()}
        return [Task(task, "function", self._name, values[task]) for task in sorted(values)]

    def close(self) -> None:
        """End the strategies."""
        self._open.close()


class _Marked(Strategy):
    """A strategy that marks each task that ends, for the case that this process does not live to tell."""

    def __init__(self, strategy: Strategy, marks: mmap.mmap) -> None:
        super().__init__(strategy.slots)
        self._strategy, self._marks = strategy, marks

    def prepare(self, tasks: Sequence[Task]) -> None:
        self._marks[:] = bytes(len(self._marks))
        self._strategy.prepare(tasks)

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        marks = self._marks
        for outcome in self._strategy.run(tasks):
            marks[outcome.task_id] = OK if outcome.failure is None else FAILED
            yield outcome

    def fetch(self, outcome: Outcome) -> Outcome:
        return self._strategy.fetch(outcome)

    def disturbance(self) -> str | None:
        return self._strategy.disturbance()

    @property
    def duplicated(self) -> int:
        return self._strategy.duplicated

    @property
    def stations(self) -> Stations | None:
        return self._strategy.stations


def _answer(sample: Sample, failures: Sequence[TaskFailure]) -> dict[str, Any]:
    return {
        "sample": asdict(sample),
        "failures": [[each.task, each.type, each.message] for each in failures],
    }


def _changed(before: bytes, given: Any) -> bool:
    if isinstance(given, NEVER_CHANGED):
        return False
    try:
        return encode(given) != before
    except UncrossableError:
        return True


def _anything(expected: object, outcome: Outcome) -> bool:
    return True


def _cpu_s() -> float:
    """CPU seconds of this process, and of those that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def serve(connection: Connection, host: Host) -> None:
    """Obey requests until the orchestrator is gone."""
    while True:
        try:
            request = decode(connection.recv_bytes())
        except EOFError:
            return
        try:
            answer = {"value": getattr(host, request["do"])(**request["with"])}
        except (FunctionError, InputsError) as error:
            answer = {"refused": str(error)}
        except Exception as error:  # noqa: BLE001 - told to the orchestrator, which has the user's ear
            answer = {"error": escape_control(f"{type(error).__name__}: {error}", longest=1000)}
        connection.send_bytes(encode(answer))


def main(address: str, inputs: str) -> None:
    """Connect, and serve from the folder in which functions run."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address)
        connection = Connection(client.detach())
    keep_freed_memory()
    functions.enter_folder()
    functions.drop_output()
    host = Host(inputs, lambda *values: connection.send_bytes(encode({"progress": list(values)})))
    try:
        serve(connection, host)
    finally:
        host.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
