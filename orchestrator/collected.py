"""The outcomes of one batch as they come: the first of every task, and what their hops come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from orchestrator.analysis.ledger import mean_hops, merged_hops
from orchestrator.model import MeanHops
from worker.contract import LOST, Failure, Outcome, Task

FRESH_OUTCOMES = 4096
"""So many outcomes keep their hops; then those become means, lest a batch takes memory by its length.

Half a kilobyte of hops a task is fifty megabytes in a batch of 100,000. Putting a task's hops into the means takes
microseconds, on the clock, which no batch that fits one of these lists ever pays.
"""


class Collected:
    """What has ended of a batch. A task that ends again is counted, and its first outcome kept."""

    def __init__(self) -> None:
        """Nothing has ended yet."""
        self.again = 0
        self.hops: MeanHops | None = None
        self._first: dict[int, Outcome] = {}
        self._slots: dict[str, str] = {}
        self._fresh: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Take the next outcome; this is on the clock."""
        self._fresh.append(outcome)
        if len(self._fresh) >= FRESH_OUTCOMES:
            self._condense()

    def ended(self, tasks: Sequence[Task], fetch: Callable[[Outcome], Outcome]) -> list[Outcome]:
        """One outcome for each of `tasks`, without its hops: the first that came, or `lost` where none did.

        Args:
            tasks: the batch.
            fetch: brings an output that was left elsewhere.
        """
        self._condense()
        missing = Failure(LOST, "the strategy gave no outcome")
        return [
            fetch(self._first[task.id]) if task.id in self._first else Outcome(task.id, failure=missing)
            for task in tasks
        ]

    def _condense(self) -> None:
        """Put the fresh outcomes' hops into the means, and keep the rest of each."""
        hops = []
        for outcome in self._fresh:
            if outcome.task_id in self._first:
                self.again += 1
                continue
            if outcome.hops is not None:
                hops.append(outcome.hops)
            # Every answer comes with a string of its own for the name of one and the same slot.
            slot = self._slots.setdefault(outcome.slot, outcome.slot) if outcome.slot else None
            self._first[outcome.task_id] = replace(outcome, hops=None, slot=slot)
        self.hops = merged_hops(self.hops, mean_hops(hops))
        self._fresh.clear()
