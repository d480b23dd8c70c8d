"""The one interface that matters: a strategy runs batches of tasks on slots."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from orchestrator.model import Stations
from worker.contract import Outcome, Task


class Strategy(ABC):
    """Runs batches of one stage's tasks on a fixed number of slots.

    Used as a context: entering brings the slots up and proves them ready (timed apart from every batch),
    leaving puts everything away. Within it `run` may be called any number of times, one batch after another.
    """

    def __init__(self, slots: int) -> None:
        """Remember the number of slots, at least 1; nothing starts before the context is entered."""
        self.slots = slots

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
    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the batch: one outcome a task, yielded as they complete; failures are outcomes too.

        A few may be kept back for a moment while there is more to do, so that nobody is woken for each.

        An outcome's output is in the orchestrator's memory when it is yielded, and stays valid until the
        next batch starts. An iterator that is closed early leaves the strategy ready for the next batch.
        """

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
