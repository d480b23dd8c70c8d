"""The search for the largest sustained arrival rate: by doubling or halving until it is enclosed, then by bisection."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

PRECISION: Final = (
    1.1  # the search ends when the lowest rate not sustained is at most this times the highest sustained
)
MAX_PROBES: Final = 14  # rates tried at most
DIGITS: Final = 3  # significant, of a rate that is tried


@dataclass(slots=True)
class RateSearch:
    """The rates of one cell: the next to try, and what was found so far.

    Args:
        start: the first rate to try, such as the throughput of a batch.
        lowest: below it too few tasks would arrive in a sample.
        highest: above it the generator cannot send, or too many tasks would arrive.
    """

    start: float
    lowest: float
    highest: float
    sustained: float | None = None  # the highest rate shown to be sustained, or to keep the promise
    failed: float | None = None  # the lowest one that was not
    probes: int = 0

    def next_rate(self) -> float | None:
        """Return the rate to try next; `None` at the end."""
        rate = None if self.probes >= MAX_PROBES else self._next()
        # A limit that is rounded to the rate that was just tried is reached.
        return None if rate in (self.sustained, self.failed) else rate

    def _next(self) -> float | None:
        if self.sustained is not None and self.failed is not None:
            if self.failed <= self.sustained * PRECISION:
                return None
            return _rounded(sqrt(self.sustained * self.failed))
        if self.sustained is not None:
            return None if self.sustained >= self.highest else _rounded(min(2 * self.sustained, self.highest))
        if self.failed is not None:
            return None if self.failed <= self.lowest else _rounded(max(self.failed / 2, self.lowest))
        return _rounded(max(self.lowest, min(self.start, self.highest)))

    def found(self, rate: float, sustained: bool | None) -> None:
        """Record what was found at a rate; one that cannot be told to be sustained counts as not sustained."""
        self.probes += 1
        if sustained:
            self.sustained = max(rate, self.sustained or rate)
        else:
            self.failed = min(rate, self.failed or rate)


def _rounded(rate: float) -> float:
    return float(f"{rate:.{DIGITS}g}")
