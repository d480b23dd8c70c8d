"""Tasks that arrive at planned times, whether or not earlier ones are done: an open loop.

The plan is fixed before the first task is sent. A strategy that falls behind finds every task that is overdue, so
nothing that holds it up can thin out the load (coordinated omission).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worker.contract import Task


@dataclass(slots=True)
class Arrivals:
    """The tasks of one open loop; a strategy takes each when it is due.

    Args:
        tasks: in the order in which they arrive.
        planned_s: when each arrives, in seconds of `clock`.
        ends_at: when outputs do not count any more, and the strategy gives up what is left.
        clock: seconds of wall time.
    """

    tasks: Sequence[Task]
    planned_s: Sequence[float]
    ends_at: float
    clock: Callable[[], float] = time.monotonic
    sent_s: list[float] = field(default_factory=list)  # when each task was taken

    def take(self) -> Task | None:
        """Return the next task if it has arrived, else `None`; from now on it counts as sent."""
        number, now = len(self.sent_s), self.clock()
        if number == len(self.tasks) or not self.planned_s[number] <= now < self.ends_at:
            return None
        self.sent_s.append(now)
        return self.tasks[number]

    def wait_s(self, most_s: float) -> float:
        """Return the seconds until the next arrival or the end, at most `most_s`."""
        number = len(self.sent_s)
        until = min([self.ends_at, *self.planned_s[number : number + 1]])
        return max(0.0, min(most_s, until - self.clock()))

    def goes_on(self, in_flight: bool) -> bool:
        """Return whether there is more to wait for: further arrivals, or outputs if any task is `in_flight`."""
        return self.clock() < self.ends_at and (in_flight or len(self.sent_s) < len(self.tasks))
