"""A speedup drawn in characters, for terminals that are wide enough: `      ├─●──┤  ` with 1 as a bar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log

from orchestrator.model.findings import Estimate


@dataclass(frozen=True, slots=True)
class Track:
    """A logarithmic axis from `low` to `high`, `width` characters long."""

    low: float
    high: float
    width: int

    def drawn(self, speedup: Estimate | None) -> str:
        """The speedup's interval as a line, its point as a dot, and 1 as a bar."""
        cells = [" "] * self.width
        cells[self._place(1.0)] = "│"
        if speedup is not None:
            for place in range(
                self._place(speedup.low or speedup.point), self._place(speedup.high or speedup.point) + 1
            ):
                cells[place] = "┼" if cells[place] == "│" else "─"
            cells[self._place(speedup.point)] = "●"
        return "".join(cells)

    def _place(self, value: float) -> int:
        share = log(value / self.low) / log(self.high / self.low)
        return max(0, min(self.width - 1, round(share * (self.width - 1))))


def track(speedups: Iterable[Estimate], width: int) -> Track:
    """The axis that holds all of them and 1."""
    ends = [1.0, *(end for each in speedups for end in (each.low, each.high, each.point) if end)]
    return Track(min(ends) / 1.02, max(ends) * 1.02, width)
