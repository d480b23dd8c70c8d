"""What happens to a user's function before the clock starts: two serial passes over a few inputs, then the batch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from orchestrator.errors import BreakevenError, UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.function_inputs import FROM_PYTHON, MAX_INPUTS, STDIN, STDIN_COPY, as_given
from orchestrator.inputs.provisioning import Inputs, Work
from orchestrator.inputs.workload import Expectation, Workload, matches
from orchestrator.measurement.function_process import LOAD_S, FunctionProcess, LostProcessError
from orchestrator.model.runs import Cell, Function, Plan, TaskFailure
from orchestrator.phrases import function as phrases
from orchestrator.planning.options import FUNCTION_BUDGET_S, LOAD, Options
from orchestrator.strategies.base import Strategy
from worker.contract import LOST, Failure, Outcome
from worker.redaction import escape_control, redact
from worker.settings import settings
from worker.values import same

MOST_TRIED: Final = 20  # inputs that both passes use, at most
FEWEST_TRIED: Final = 3
TRIAL_SHARE: Final = 0.05  # of the budget, for a pass
REMEMBERED: Final = 3.0  # times as fast on the second pass
REMEMBERED_S: Final = 100e-6  # seconds that a call must take for that to say something
LIMIT_TIMES: Final = 20  # times as long as expected that a batch may take
LEAST_LIMIT_S: Final = 10.0
LABEL_CHARACTERS: Final = 60


@dataclass(slots=True)
class Trial:
    """A user's function, as it was tried; the process stays for the rows that run in-process."""

    process: FunctionProcess
    tried: Function
    verified: bool
    attempts: dict[int, dict[str, Any]] = field(default_factory=dict)  # by the index of the input
    lost: dict[int, str] = field(default_factory=dict)  # inputs that cost the process, with the reason

    def inputs(self, plan: Plan, say: Callable[[str], None]) -> Inputs:
        """Call the function on every input of the batch, and return the batch with its right outputs.

        Raises:
            BreakevenError: it raised on every one.
        """
        tolerance = (
            0.0 if plan.function is None or plan.function.tolerance is None else plan.function.tolerance
        )
        values: dict[int, Any] = {}
        expected: dict[int, Expectation] = {}
        for task in range(plan.images):
            index = task % self.tried.count
            if index not in self.attempts and index not in self.lost:
                say(f"Calling {self.tried.name} on input {index + 1} of {min(plan.images, self.tried.count)}")
                _attempt(self, index, max(LOAD_S, LIMIT_TIMES * self.tried.call_s))
            if index in self.lost:
                continue
            attempt = self.attempts[index]
            values[task] = attempt["input"]
            expected[task] = Failure(*attempt["failure"]) if attempt["failure"] else attempt["output"]
        _check_any(self.tried.name, expected, self.lost)
        try:
            self.process.set_batch(values, expected, tolerance=tolerance, verified=self.verified)
        except LostProcessError:
            self.process.restart()  # which gives it the batch again
        serial_s = sum(self.attempts[task % self.tried.count]["seconds"] for task in values)
        self.process.limit_s = _batch_limit_s(serial_s)
        names = tuple(_label(self.attempts.get(task % self.tried.count)) for task in range(plan.images))
        compare = partial(matches, tolerance=tolerance) if self.verified else _anything
        (stage,) = {cell.stage for cell in plan.cells}
        works = {Work.of(cell, plan) for cell in plan.cells}
        workload = Workload({stage: values}, {stage: expected})
        return Inputs(plan, dict.fromkeys(works, workload), (), names, matches=compare)

    def failures(self, plan: Plan) -> dict[Cell, dict[int, TaskFailure]]:
        """Return the tasks that no cell can do, because their inputs cost the process."""
        tasks = [task for task in range(plan.images) if task % self.tried.count in self.lost]
        lost = {task: TaskFailure(task, LOST, self.lost[task % self.tried.count]) for task in tasks}
        return {cell: dict(lost) for cell in plan.cells}


@contextmanager
def trial(
    options: Options, processes: ChildProcesses, say: Callable[[str], None], note: Callable[[str], None]
) -> Iterator[Trial]:
    """Call a user's function serially on a few inputs, twice, in a process of its own.

    Raises:
        UsageError: it or its inputs cannot be used; an output cannot cross; it does not repeat itself; it changes its
            inputs, which tasks under load share.
        BreakevenError: it raised on every input.
    """
    name, spec = options.function or "", options.inputs or ""
    if spec == STDIN:
        spec = str(_standard_input(processes.folder))
    budget_s = options.budget_s or FUNCTION_BUDGET_S
    with FunctionProcess(processes, name, spec) as process:
        say(f"Importing {name}")
        loaded, count = _loaded(process, spec)
        if count == MAX_INPUTS and not (options.tasks or options.command == LOAD or options.sides > 1):
            note(phrases.first_inputs(count))
        tried = Function(
            name,
            "Python" if spec.endswith(FROM_PYTHON) else options.inputs or "",
            count,
            options.tasks or count,
            0.0,
            0.0,
            0,
            0,
            loaded["asynchronous"],
            loaded["version"],
        )
        found = Trial(
            process,
            replace(tried, tolerance=None if options.no_verify else options.tolerance),
            not options.no_verify,
        )
        say(f"Trying {name}")
        indices = _first_pass(found, budget_s)
        if not any(found.attempts[index]["failure"] is None for index in indices if index in found.attempts):
            _check_any(
                name,
                {i: Failure(*found.attempts[i]["failure"]) for i in indices if i in found.attempts},
                found.lost,
            )
        again = _second_pass(found, indices, budget_s)
        if options.command == LOAD and any(each["changed"] for each in found.attempts.values()):
            raise UsageError(phrases.changes_inputs(name))
        found.tried = _seen(found, again)
        if found.tried.remembers:
            note(phrases.remembers(found.tried))
        for index, why in found.lost.items():
            note(f"input {index + 1}: {why}; it is left out of every row, and counts as lost")
        yield found


def try_workers(fleet: Fleet | None, strategies: Mapping[Cell, Strategy], inputs: Inputs) -> None:
    """Have every worker that is not ours call the function on a few inputs, if there is a function.

    Raises:
        UnavailableError: one of them gives another outcome than serial calls here, as where it lacks a file.
    """
    cell = next((cell for cell in strategies if cell.distributed and cell.data == "local"), None)
    if inputs.plan.function is None or cell is None or fleet is None or fleet.broker.embedded:
        return
    tasks, expected = inputs.tasks(cell)[:FEWEST_TRIED], inputs.expected(cell)
    for worker in fleet.workers:
        fleet.use_worker(worker.name)
        for outcome in strategies[cell].run(tasks):
            if inputs.matches(expected[outcome.task_id], outcome):
                continue
            said = (
                "another output"
                if outcome.failure is None
                else f"{outcome.failure.type}: {outcome.failure.message}"
            )
            raise UnavailableError(
                f"worker {escape_control(worker.name, longest=250)} does not do input {outcome.task_id + 1} as this "
                f"machine does ({said}); bring the same files and packages to it, and run again"
            )
    fleet.use_slots(cell.slots)


def _standard_input(folder: Path) -> Path:
    """Copy standard input to a file, because the process that calls the function has none."""
    if sys.stdin is None:
        raise UsageError(
            "--inputs - reads standard input, which is closed; pipe JSON lines into it, or name a file"
        )
    path = folder / STDIN_COPY
    with path.open("wb") as file:
        for line in islice(sys.stdin.buffer, MAX_INPUTS):
            file.write(line)
    return path


def _loaded(process: FunctionProcess, spec: str) -> tuple[dict[str, Any], int]:
    try:
        loaded = process.ask("load", LOAD_S)
    except LostProcessError as error:
        raise UsageError(
            f"importing {process.function.partition(':')[0]} {error}; mend what it does when it is imported"
        ) from None
    try:
        return loaded, int(process.ask("read_inputs", LOAD_S)["count"])
    except LostProcessError as error:
        raise UsageError(f"reading {as_given(spec)} {error}; name inputs that can be read") from None


def _first_pass(found: Trial, budget_s: float) -> list[int]:
    """Try inputs, a few seconds long; return their indices."""
    began = time.perf_counter()
    indices: list[int] = []
    for index in range(min(MOST_TRIED, found.tried.count)):
        indices.append(index)
        _attempt(found, index, budget_s)
        took_s = time.perf_counter() - began
        if took_s > TRIAL_SHARE * budget_s * (1 if len(indices) >= FEWEST_TRIED else 4):
            break
    return indices


def _attempt(found: Trial, index: int, limit_s: float) -> None:
    """Call the function on an input; one that costs the process is remembered as lost."""
    name = found.tried.name
    try:
        said = found.process.ask("attempt", limit_s, index=index)
    except LostProcessError as error:
        found.lost[index] = f"{name} {error}"
        if not found.attempts and len(found.lost) >= FEWEST_TRIED:
            raise BreakevenError(
                f"{name} {error}, on each of the first {len(found.lost)} inputs; nothing can be measured"
            ) from None
        if not found.attempts and "did not end" in str(error):
            raise UsageError(
                f"{name} {error} on input {index + 1}, the whole --budget; raise it, or see whether the function ends"
            ) from None
        found.process.restart()
        return
    if said["fault"] is not None:
        raise UsageError(f"{name} returns {said['fault']} (input {index + 1})")
    found.attempts[index] = said


def _second_pass(found: Trial, indices: list[int], budget_s: float) -> dict[int, dict[str, Any]]:
    """Try the same inputs again; a function that gives something else cannot be verified."""
    first = {index: found.attempts[index] for index in indices if index in found.attempts}
    for index, before in first.items():
        _attempt(found, index, budget_s)
        after = found.attempts.get(index, before)
        if found.verified and not _repeated(before, after, found.tried.tolerance or 0.0):
            raise UsageError(phrases.unrepeated(found.tried.name, index + 1))
    return first


def _repeated(before: Mapping[str, Any], after: Mapping[str, Any], tolerance: float) -> bool:
    if before["failure"] or after["failure"]:
        return bool(before["failure"] and after["failure"] and before["failure"][0] == after["failure"][0])
    return same(before["output"], after["output"], tolerance)


def _seen(found: Trial, first: Mapping[int, Mapping[str, Any]]) -> Function:
    """The function as both passes showed it: its time is that of the second, which is warm."""
    pairs = [(before, found.attempts[index]) for index, before in first.items() if index in found.attempts]
    able = [(before, after) for before, after in pairs if after["failure"] is None] or pairs
    warm = [after for _, after in able]
    call_s = fmean(each["seconds"] for each in warm)
    cpu_s = fmean(each["cpu_s"] for each in warm)
    later = able[1:] or able  # the first call may have imported something
    before_s, after_s = (fmean(each["seconds"] for each in side) for side in zip(*later, strict=True))
    sizes = [each["bytes"] for each in warm if "bytes" in each] or [[0, 0]]
    return replace(
        found.tried,
        call_s=call_s,
        waiting=min(1.0, max(0.0, 1 - cpu_s / max(call_s, 1e-9))),
        in_bytes=round(fmean(each[0] for each in sizes)),
        out_bytes=round(fmean(each[1] for each in sizes)),
        remembers=before_s >= REMEMBERED_S and before_s >= REMEMBERED * after_s,
    )


def _check_any(name: str, expected: Mapping[int, Expectation], lost: Mapping[int, str]) -> None:
    failures = [each for each in expected.values() if isinstance(each, Failure)]
    if len(failures) < len(expected):
        return
    reason = f"{failures[0].type}: {failures[0].message}" if failures else next(iter(lost.values()), "")
    raise BreakevenError(
        f"{name} failed on every input that was tried ({len(expected) + len(lost)}); the first: {redact(reason)}; "
        "mend it, or give other --inputs"
    )


def _batch_limit_s(serial_s: float) -> float:
    """Seconds that a batch may take: at least twice its serial time, so that no row ends while it works."""
    with_a_hang_s = 2 * serial_s + settings().task_time_limit_s
    return max(LEAST_LIMIT_S, min(LIMIT_TIMES * serial_s, with_a_hang_s))


def _label(attempt: Mapping[str, Any] | None) -> str:
    """An input as a failure names it: a path or a text itself, anything else not at all."""
    value = None if attempt is None else attempt["input"]
    if not isinstance(value, str | int | float):
        return ""
    return redact(str(value))[:LABEL_CHARACTERS]


def _anything(expected: Expectation, outcome: Outcome) -> bool:
    return True
