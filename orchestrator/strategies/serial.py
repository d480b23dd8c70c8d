"""One task after the other, in the thread that asks: the baseline that everything else is held against."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Sequence

from orchestrator.strategies.base import Row, Strategy
from orchestrator.strategies.timed_row import TimedRow
from worker.contract import Failure, Task
from worker.execution import HOLD_S, MOST_HELD, CpuTime, Done, timed


class Serial(Strategy):
    """Does tasks when a row is asked for, a few at a time; there is one slot, whatever number was given."""

    def __init__(self, slots: int) -> None:
        """Remember the number, and where this is."""
        super().__init__(slots)
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    def rows(self, tasks: Sequence[Task]) -> Generator[Row, None, None]:
        """Do the batch in order; closing the generator leaves the rest undone."""
        held: list[tuple[int, Done | Failure]] = []
        held_s, cpu = 0.0, CpuTime()
        for task in tasks:
            done = timed(task.stage, task.kernel, task.payload)
            held.append((task.id, done))
            held_s += done[2]
            if len(held) >= MOST_HELD or held_s > HOLD_S:
                yield TimedRow(self._name, held, cpu.share(held_s))
                held, held_s, cpu = [], 0.0, CpuTime()  # not with what its caller computes
        if held:
            yield TimedRow(self._name, held, cpu.share(held_s))
