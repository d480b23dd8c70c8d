"""One fault, once: a batch is hurt while it runs, is measured again as a run would, and everything is counted.

Counted as RabbitMQ's Jepsen tests count: tasks attempted, and of those ended well, failed, lost and ended more
than once; `unexpected` are outputs that are wrong and ends that do not add up.
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
    """What became of it. `recovery_s` is the time from the fault to the next batch that nothing disturbs."""

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
        """Both together: counts add up, the longest recovery and the worst exit code stand."""
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
    """A batch, and what must come of it."""

    tasks: Sequence[Task]
    expected: Mapping[int, Payload]


def naps(count: int = 40, seconds: float = 0.02) -> Work:
    """Tasks that sleep, and give back what they were given; nothing of theirs lies in the payload store."""
    tasks = [Task(i, "diagnostics", "sleep", str(seconds)) for i in range(count)]
    return Work(tasks, {task.id: task.payload for task in tasks})


def pictures(count: int = 40, side: int = 64) -> Work:
    """Pictures of noise to turn gray, `side` pixels wide and high, that travel through the payload store."""
    random = np.random.default_rng(1)
    gray = STAGES["grayscale"]
    tasks = [
        Task(i, "grayscale", "loop", random.integers(0, 256, (side, side, 3), dtype=np.uint8))
        for i in range(count)
    ]
    return Work(tasks, {task.id: gray.reference(task.payload) for task in tasks})


class Hurt(Celery):
    """The strategy, whose batch is hurt once, when so many of its outcomes have come."""

    def __init__(self, fleet: Fleet, after: int, fault: Callable[[Celery], object]) -> None:
        """Hurt by calling `fault` with this strategy."""
        super().__init__(2, fleet, "redis", 1, "local")
        self._after, self._fault = after, fault
        self.armed = False
        self.hurt_at: float | None = None

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch, whose messages hold a task each, with the fault in the middle of it."""
        for number, outcome in enumerate(super().run(tasks)):
            if self.armed and self.hurt_at is None and number >= self._after:
                self.hurt_at = time.monotonic()
                self._fault(self)
            yield outcome


def trial(fleet: Fleet, fault: Callable[[Celery], object], work: Work | None = None, after: int = 5) -> Trial:
    """Hurt a batch, and measure until a batch is well again, as often as a run would."""
    work = work or naps()
    taken: list[tuple[Sample, tuple[TaskFailure, ...]]] = []
    error: BreakevenError | None = None
    well_at = None
    hurt = Hurt(fleet, after, fault)
    try:
        with hurt:
            measure(hurt, work.tasks[:4], work.expected, SamplePosition(-1, 0, 0.0))
            hurt.armed = True
            for number in range(1 + REPEATS):
                began = time.monotonic()
                taken.append(measure(hurt, work.tasks, work.expected, SamplePosition(0, 0, float(number))))
                if taken[-1][0].disturbed is None:
                    well_at = began
                    break
    except BreakevenError as raised:
        error = raised
    assert hurt.hurt_at is not None, f"the batch ended before it could be hurt: {error}"
    return _counted(taken, error, None if well_at is None else max(0.0, well_at - hurt.hurt_at))


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
