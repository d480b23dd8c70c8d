"""The one interface that matters: a strategy runs batches of tasks on slots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import Protocol, Self

from orchestrator.fleet.fleet import Fleet
from orchestrator.model.runs import Cell, Stations
from orchestrator.strategies import STRATEGIES, load
from worker.contract import Outcome, Task


class Row(Protocol):
    """Outcomes that came together, each made when somebody looks at it: a list has them already."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Outcome]:
        """All of them."""


class Strategy(ABC):
    """Runs batches of one stage's tasks on a fixed number of slots.

    Used as a context: entering brings the slots up and proves them ready (timed apart from every batch),
    leaving puts everything away. Within it `run` may be called any number of times, one batch after another.
    """

    def __init__(self, slots: int) -> None:
        """Remember the number of slots, at least 1; nothing starts before the context is entered."""
        self.slots = slots

    @classmethod
    def for_cell(cls, cell: Cell, fleet: Fleet | None) -> Self:
        """Make the strategy that does a cell; `fleet` is the run's, if its plan needs one."""
        return cls(cell.slots)

    def __enter__(self) -> Self:
        """Bring the slots up and prove them ready."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put everything away; nothing is left behind."""
        return

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Make ready for exactly this batch, off the clock: a strategy that has nothing to do does nothing."""
        return

    @abstractmethod
    def rows(self, tasks: Sequence[Task]) -> Generator[Row, None, None]:
        """Do the batch: one outcome a task, yielded as they complete; failures are outcomes too.

        A few may be kept back for a moment while there is more to do, so that nobody is woken for each. They come as
        one row, whose outcomes are made when it is looked at: the clock, which needs none, looks at no row.

        Outputs are in the orchestrator's memory when their row is yielded, and stay valid until the next batch starts.
        A generator that is closed early leaves the strategy ready for the next batch.
        """

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the batch, and give one outcome after another; to close the iterator early is to close `rows`."""
        with closing(self.rows(tasks)) as rows:
            for row in rows:
                yield from row

    def fetch(self, outcome: Outcome) -> Outcome:
        """The outcome with its output in the orchestrator's memory, off the clock; most have it there already."""
        return outcome

    def disturbance(self) -> str | None:
        """What befell the batches since this was last asked, such as a slot that died; `None` where nothing did.

        Asked off the clock, once a sample: whoever has to look around may do so now.
        """
        return None

    @property
    def duplicated(self) -> int:
        """Tasks of the last batch that were done more than once."""
        return 0

    @property
    def stations(self) -> Stations | None:
        """What the last batch asked of each station on the way; `None` where there is no way to go."""
        return None


def make_strategy(cell: Cell, fleet: Fleet | None) -> Strategy:
    """Make the strategy that a cell names; it starts nothing before it is entered."""
    implementation: type[Strategy] = load(STRATEGIES[cell.strategy].implementation)
    return implementation.for_cell(cell, fleet)
