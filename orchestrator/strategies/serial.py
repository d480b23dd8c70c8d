"""One task after the other, in the thread that asks: the baseline that everything else is held against."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence

from orchestrator.strategies.strategy import Strategy
from worker.contract import Outcome, Task
from worker.execution import HOLD_S, MOST_HELD, Done, outcome_of, timed


class Serial(Strategy):
    """Does tasks when an outcome is asked for, a few at a time; there is one slot, whatever number was given."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the batch in order; closing the iterator leaves the rest undone."""
        slot = f"{socket.gethostname()}:{os.getpid()}"
        for held in _a_few_at_a_time(tasks):
            for task_id, done in held:
                yield outcome_of(task_id, done, slot)


def _a_few_at_a_time(tasks: Sequence[Task]) -> Iterator[list[tuple[int, Done]]]:
    """What was done, up to `MOST_HELD` tasks or `HOLD_S` of kernels together."""
    held: list[tuple[int, Done]] = []
    held_s = 0.0
    for task in tasks:
        done = timed(task.stage, task.kernel, task.payload)
        held.append((task.id, done))
        held_s += done[2]
        if len(held) >= MOST_HELD or held_s > HOLD_S:
            yield held
            held, held_s = [], 0.0
    yield held
