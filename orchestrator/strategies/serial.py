"""One task after the other, in the thread that asks: the baseline that everything else is held against."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence

from orchestrator.strategies.strategy import Strategy
from worker.contract import Outcome, Task
from worker.execution import execute


class Serial(Strategy):
    """Executes a task when its outcome is asked for; there is one slot, whatever number was given."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Do the batch in order; closing the iterator leaves the rest undone."""
        slot = f"{socket.gethostname()}:{os.getpid()}"
        for task in tasks:
            yield execute(task, slot)
