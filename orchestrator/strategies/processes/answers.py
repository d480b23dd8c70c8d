"""What a slot process says of its tasks, read: `slot_program.py` has the form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.strategies.base import Row
from orchestrator.strategies.processes.outputs import Lent, Outputs
from orchestrator.strategies.timed_row import TimedRow
from worker.arena import Place
from worker.contract import Failure, Outcome, Pixels, Task
from worker.execution import Done, outcome_of


@dataclass(slots=True)
class TogetherRow:
    """A `Row` of outputs that lie together: `outputs` is one array of all of them, with an axis more in front.

    Of each task `seconds` has what it took, or `None` if it was not done: then there is no output of it. A task that is
    `None` is one that nobody waits for.
    """

    slot: str
    tasks: Sequence[Task | None]
    seconds: Sequence[float | None]
    outputs: Pixels
    cpu_share: float

    def __len__(self) -> int:
        """How many outcomes there are."""
        if all(self.tasks) and len(self.outputs) == len(self.seconds):
            return len(self.seconds)
        return sum(
            task is not None and compute_s is not None
            for task, compute_s in zip(self.tasks, self.seconds, strict=True)
        )

    def __iter__(self) -> Iterator[Outcome]:
        """The outcome of each, its output a view of the array."""
        outputs = iter(self.outputs)
        for task, compute_s in zip(self.tasks, self.seconds, strict=True):
            if compute_s is not None:
                output = next(outputs)
                if task is not None:
                    yield outcome_of(task.id, (output, None, compute_s), self.cpu_share, self.slot)


def read(
    outputs: Outputs,
    slot: str,
    tasks: Sequence[Task | None],
    cpu_share: float,
    answers: Sequence[Any],
    *at: Place | int,
) -> tuple[Row, list[Task]]:
    """The row that a message stands for, and the tasks that its slot has not done, as they were taken back.

    Args:
        outputs: where the slot leaves them.
        slot: its name.
        tasks: those that are answered, in this order; `None` for one that nobody waits for.
        cpu_share: the slot's CPU time for each second that kernels took.
        answers: one for each task, or what it took in seconds if outputs lie together.
        at: where they do.
    """
    if at:
        together: Any = Lent(outputs).read(*at)
        if len(together) == len(answers):
            return TogetherRow(slot, tasks, answers, together, cpu_share), []
        row: Row = TogetherRow(slot, tasks, answers, together, cpu_share)
    else:
        row = TimedRow(slot, _done(outputs, tasks, answers), cpu_share)
    undone = [
        task for task, answer in zip(tasks, answers, strict=True) if answer is None and task is not None
    ]
    return row, undone


def _done(
    outputs: Outputs, tasks: Sequence[Task | None], answers: Sequence[Any]
) -> list[tuple[int, Done | Failure]]:
    """What became of tasks whose outputs lie each by itself; cells of those that nobody waits for are given back."""
    lent = Lent(outputs)
    done: list[tuple[int, Done | Failure]] = []
    for task, answer in zip(tasks, answers, strict=True):
        if answer is None:
            continue
        if task is None:
            outputs.drop(answer[1])
        elif len(answer) == 2:
            done.append((task.id, (lent.read(answer[1]), None, answer[0])))
        else:
            compute_s, place, failure = answer
            done.append((task.id, (None, Failure(failure, str(lent.read(place))), compute_s)))
    return done
