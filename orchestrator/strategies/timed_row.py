"""What one place of this machine did since it last told of anything: outputs at once, outcomes when they are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.contract import Failure, Outcome
from worker.execution import Done, outcome_of


@dataclass(slots=True)
class TimedRow:
    """A `Row` of what `timed` gave.

    Attributes:
        slot: the name of the place.
        done: task ids with what became of them; a failure alone is that of a task of which no times are known.
        cpu_share: the place's CPU time for each second that its tasks took.
    """

    slot: str
    done: Sequence[tuple[int, Done | Failure]]
    cpu_share: float

    def __len__(self) -> int:
        """How many tasks ended."""
        return len(self.done)

    def __iter__(self) -> Iterator[Outcome]:
        """The outcome of each."""
        for task_id, done in self.done:
            if isinstance(done, Failure):
                yield Outcome(task_id, failure=done, slot=self.slot)
            else:
                yield outcome_of(task_id, done, self.cpu_share, self.slot)
