"""The outcomes of one batch as they come: the first of every task, and what their hops come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

from orchestrator.analysis.hops import mean_hops, merged_hops
from orchestrator.model.runs import MeanHops
from orchestrator.strategies.base import Row
from worker.contract import LOST, Failure, Outcome, Payload, Task

FRESH_OUTCOMES = 4096
"""So many outcomes are kept as their rows came; then their hops become means, lest a batch takes memory by its length.

An outcome with its hops is half a kilobyte, fifty megabytes in a batch of 100,000. Taking one apart takes microseconds,
on the clock; a batch of fewer tasks pays none of it. Outputs that are here are kept until they have been looked at.
"""

MISSING: Final = Failure(LOST, "the strategy gave no outcome")


class BatchOutcomes:
    """What has ended of a batch. A task that ends again is counted, and its first outcome kept.

    `again`, `hops` and `slots` are known in full once `ended` has been read.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        """Nothing of `tasks` has ended yet; what is needed for each of them is there from the start."""
        self.again = 0
        self.hops: MeanHops | None = None
        self.slots: set[str] = set()
        self._places = {task.id: place for place, task in enumerate(tasks)}
        self._ends: list[Payload | Failure | None] = [MISSING] * len(tasks)
        self._fresh: list[Row] = []
        self._fresh_outcomes = 0

    def add(self, row: Row) -> None:
        """Take the next outcomes; this is on the clock."""
        self._fresh.append(row)
        self._fresh_outcomes += len(row)
        if self._fresh_outcomes >= FRESH_OUTCOMES:
            self._condense()

    def ended(self, fetch: Callable[[Outcome], Outcome]) -> Iterator[Outcome]:
        """One outcome for each task, in the batch's order, without slot and hops; `lost` where none came.

        Args:
            fetch: brings an output that was left elsewhere.
        """
        self._condense()
        for id_, end in zip(self._places, self._ends, strict=True):
            yield Outcome(id_, failure=end) if isinstance(end, Failure) else fetch(Outcome(id_, end))

    def _condense(self) -> None:
        """Put the fresh outcomes' hops into the means, and keep how each task ended."""
        hops = []
        for outcome in chain.from_iterable(self._fresh):
            place = self._places.get(outcome.task_id)
            if place is None:
                raise RuntimeError(
                    f"the strategy gave an outcome of task {outcome.task_id}, which is not in the batch; "
                    "a strategy gives one outcome of each of the batch's tasks, and of no other"
                )
            if self._ends[place] is not MISSING:
                self.again += 1
                continue
            if outcome.hops is not None:
                hops.append(outcome.hops)
            if outcome.slot is not None:
                self.slots.add(outcome.slot)
            self._ends[place] = outcome.output if outcome.failure is None else outcome.failure
        self.hops = merged_hops(self.hops, mean_hops(hops))
        self._fresh.clear()
        self._fresh_outcomes = 0
