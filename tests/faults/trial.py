"""One fault, once: it is injected into a running batch, the batch is measured again as in a run, and tasks are counted.

The counts are those of RabbitMQ's Jepsen tests: tasks attempted, and of those ok, failed, lost and executed twice.
`unexpected` counts wrong outputs, and tasks that did not end exactly once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from orchestrator.commands.execute import exit_code
from orchestrator.errors import BreakevenError
from orchestrator.fleet.fleet import Fleet
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.measurement.rounds import REPEATS
from orchestrator.model.runs import Cell, CellResult, Sample, TaskFailure
from orchestrator.strategies.celery import Celery
from tests.examples import example_run
from worker.contract import Outcome, Payload, Task
from worker.stages import STAGES

CELL = Cell("diagnostics", "sleep", "celery", 2, "redis", 1, "local")


@dataclass(frozen=True)
class Trial:
    """The outcome. `recovery_s` is the time from the fault to the start of the next undisturbed batch."""

    attempted: int = 0
    ok: int = 0
    failed: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    recovery_s: float | None = None
    exit_code: int = 0
    said: str = ""
    disturbed: bool = False
    left: tuple[str, ...] = ()

    def __add__(self, other: Trial) -> Trial:
        """Add the counts, and keep the longest recovery and the worst exit code."""
        names = ("attempted", "ok", "failed", "lost", "duplicated", "unexpected")
        times = [each.recovery_s for each in (self, other) if each.recovery_s is not None]
        return Trial(
            **{name: getattr(self, name) + getattr(other, name) for name in names},
            recovery_s=max(times, default=None),
            exit_code=max(self.exit_code, other.exit_code),
            said=self.said or other.said,
            disturbed=self.disturbed or other.disturbed,
            left=self.left + other.left,
        )


@dataclass(frozen=True)
class Work:
    """A batch and its expected outputs."""

    tasks: Sequence[Task]
    expected: Mapping[int, Payload]


def naps(count: int = 40, seconds: float = 0.02) -> Work:
    """Return tasks that sleep and return their input; their payloads are not in the payload store."""
    tasks = [Task(i, "diagnostics", "sleep", str(seconds)) for i in range(count)]
    return Work(tasks, {task.id: task.payload for task in tasks})


def pictures(count: int = 40, side: int = 64) -> Work:
    """Return pictures of noise to turn gray, `side` pixels wide and high; they go through the payload store."""
    random = np.random.default_rng(1)
    gray = STAGES["grayscale"]
    tasks = [
        Task(i, "grayscale", "loop", random.integers(0, 256, (side, side, 3), dtype=np.uint8))
        for i in range(count)
    ]
    return Work(tasks, {task.id: gray.reference(task.payload) for task in tasks})


class Faulty(Celery):
    """The Celery strategy, with a fault injected once after a number of outcomes."""

    def __init__(self, fleet: Fleet, after: int, fault: Callable[[Celery], object]) -> None:
        """Inject the fault by calling `fault` with this strategy."""
        super().__init__(2, fleet, "redis", 1, "local")
        self._after, self._fault = after, fault
        self.armed = False
        self.injected_at: float | None = None

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Run the batch, one task a message, with the fault in the middle."""
        for number, outcome in enumerate(super().run(tasks)):
            if self.armed and self.injected_at is None and number >= self._after:
                self.injected_at = time.monotonic()
                self._fault(self)
            yield outcome


def trial(fleet: Fleet, fault: Callable[[Celery], object], work: Work | None = None, after: int = 5) -> Trial:
    """Inject a fault into a batch, then measure until a batch is undisturbed, as often as a run would."""
    work = work or naps()
    taken: list[tuple[Sample, tuple[TaskFailure, ...]]] = []
    error: BreakevenError | None = None
    recovered_at = None
    faulty = Faulty(fleet, after, fault)
    try:
        with faulty:
            measure(faulty, work.tasks[:4], work.expected, SamplePosition(-1, 0, 0.0))
            faulty.armed = True
            for number in range(1 + REPEATS):
                began = time.monotonic()
                taken.append(measure(faulty, work.tasks, work.expected, SamplePosition(0, 0, float(number))))
                if taken[-1][0].disturbed is None:
                    recovered_at = began
                    break
    except BreakevenError as raised:
        error = raised
    assert faulty.injected_at is not None, f"the batch ended before the fault could be injected: {error}"
    return _counted(
        taken, error, None if recovered_at is None else max(0.0, recovered_at - faulty.injected_at)
    )


def _counted(
    taken: Sequence[tuple[Sample, tuple[TaskFailure, ...]]],
    error: BreakevenError | None,
    recovery_s: float | None,
) -> Trial:
    samples = tuple(sample for sample, _ in taken)
    failures = tuple(failure for _, found in taken for failure in found)
    ends = sum(each.ok + each.failed + each.lost for each in samples)
    attempted = sum(each.tasks for each in samples)
    calm = tuple(each for each in samples if each.disturbed is None)
    result = CellResult(CELL, None, calm, failures, tuple(each for each in samples if each.disturbed))
    why = "; ".join(each.disturbed for each in samples if each.disturbed)
    return Trial(
        attempted=attempted,
        ok=sum(each.ok for each in samples),
        failed=sum(each.failed for each in samples),
        lost=sum(each.lost for each in samples),
        duplicated=sum(each.duplicated for each in samples),
        # A task that fails though it should not is counted as failed, not twice.
        unexpected=abs(attempted - ends) + sum(max(0, each.wrong - each.failed) for each in samples),
        recovery_s=recovery_s,
        exit_code=error.exit_code if error else exit_code(replace(example_run(), cells=(result,))),
        said=" / ".join(part for part in (why, str(error or "")) if part),
        disturbed=bool(why),
    )
