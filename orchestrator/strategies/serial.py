"""One task after the other, in the thread that asks: the baseline that everything else is held against."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence

from orchestrator.strategies.strategy import Strategy
from worker.contract import Outcome, Task
from worker.execution import HOLD_S, MOST_HELD, CpuTime, Done, outcome_of, timed


class Serial(Strategy):
    """Does tasks when an outcome is asked for, a few at a time; there is one slot, whatever number was given."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the batch in order; closing the iterator leaves the rest undone."""
        slot = f"{socket.gethostname()}:{os.getpid()}"
        held: list[tuple[int, Done]] = []
        held_s, cpu = 0.0, CpuTime()
        for task in tasks:
            done = timed(task.stage, task.kernel, task.payload)
            held.append((task.id, done))
            held_s += done[2]
            if len(held) >= MOST_HELD or held_s > HOLD_S:
                yield from _outcomes(held, cpu.share(held_s), slot)
                held, held_s, cpu = [], 0.0, CpuTime()  # not with what its caller computes
        yield from _outcomes(held, cpu.share(held_s), slot)


def _outcomes(held: Sequence[tuple[int, Done]], cpu_share: float, slot: str) -> Iterator[Outcome]:
    return (outcome_of(task_id, done, cpu_share, slot) for task_id, done in held)
