"""One task after the other in the calling thread: the baseline for every other strategy."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Sequence

from orchestrator.strategies.base import Strategy
from worker.contract import Outcome, Task
from worker.execution import execute


class Serial(Strategy):
    """Does each task when its outcome is asked for; there is one slot, whatever number was given."""

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch in order; closing the generator leaves the rest undone."""
        slot = f"{socket.gethostname()}:{os.getpid()}"
        for task in tasks:
            yield execute(task, slot)
