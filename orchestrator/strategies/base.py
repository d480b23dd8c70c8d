"""What every strategy does: run batches of tasks on slots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Self

from orchestrator.fleet.fleet import Fleet
from orchestrator.model.runs import Cell, Stations
from orchestrator.strategies import STRATEGIES, load
from orchestrator.strategies.arrivals import Arrivals
from worker.contract import Outcome, Task


class Strategy(ABC):
    """Runs batches of one stage's tasks on a fixed number of slots.

    Use it as a context: entering starts the slots and waits until they are ready (timed apart from every batch),
    leaving ends them. In between, `run` may be called any number of times, one batch after another.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots

    @classmethod
    def for_cell(cls, cell: Cell, fleet: Fleet | None) -> Self:
        """Make the strategy that does a cell; `fleet` is the run's, if its plan needs one."""
        return cls(cell.slots)

    def __enter__(self) -> Self:
        """Start the slots and wait until they are ready."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the slots; nothing is left behind."""
        return

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Get ready for exactly this batch, off the clock; most strategies have nothing to do."""
        return

    @abstractmethod
    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch: yield one outcome a task as tasks end; failures are outcomes too.

        Outputs are in the orchestrator's memory when their outcome is yielded.
        Closing the generator early leaves the strategy ready for the next batch.
        """

    def serve(self, arrivals: Arrivals) -> Generator[Outcome, None, None]:
        """Submit each task when it arrives, one a message or call, and yield outcomes as tasks end.

        It ends with the last outcome, or when outputs do not count any more; what is unfinished then is withdrawn.
        Strategies whose kind is not `open_loop` cannot do it.
        """
        raise NotImplementedError

    def fetch(self, outcome: Outcome) -> Outcome:
        """Return the outcome with its output in the orchestrator's memory; off the clock."""
        return outcome

    def disturbance(self) -> str | None:
        """Return what disturbed the batches since the last call, such as a slot that died, or `None`.

        It is called off the clock, once a sample, so a strategy may look after its slots now.
        """
        return None

    @property
    def duplicated(self) -> int:
        """Return how many tasks of the last batch were done more than once."""
        return 0

    @property
    def stations(self) -> Stations | None:
        """Return what the last batch asked of each station; `None` where it passed none."""
        return None


def make_strategy(cell: Cell, fleet: Fleet | None) -> Strategy:
    """Make the strategy that a cell names; it starts nothing before it is entered."""
    kind = STRATEGIES[cell.strategy]
    idiom = kind.idiom if cell.style == "idiomatic" else None
    implementation: type[Strategy] = load((idiom or kind).implementation)
    return implementation.for_cell(cell, fleet)
