"""The same figures as the text reports have, with a printer's signs."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import interval, seconds, spread, times

TIMES: Final = "\u00d7"
NONE: Final = "\u2013"
TO: Final = "\u2013"
MINUS: Final = "\u2212"
SPACE: Final = "\u00a0"


def time(value: float | None) -> str:
    """A time in the unit that suits it: 12.3 µs."""
    return seconds(value).replace("-", NONE if value is None else MINUS)


def ratio(estimate: Estimate | None) -> str:
    """A speedup: 1.84 and a multiplication sign."""
    return NONE if estimate is None else f"{times(estimate)[:-1]}{TIMES}"


def span(estimate: Estimate | None) -> str:
    """The interval of a ratio: 1.71 to 1.96 with a dash; empty where too few rounds allow none."""
    return interval(estimate).replace("..", TO)


def time_span(estimate: Estimate | None) -> str:
    """The interval of a time: 52.3 to 58.1 ms with a dash."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    low, high = time(estimate.low), time(estimate.high)
    unit = high.split()[-1]
    return f"{low.removesuffix(unit).strip()}{TO}{high}" if low.endswith(f" {unit}") else f"{low} {TO} {high}"


def about(estimate: Estimate | None) -> str:
    """A time with half its interval as a share: 55.1 ms ±5 %."""
    half = re.sub(r"(\d)%", f"\\1{SPACE}%", spread(estimate))
    return f"{time(None if estimate is None else estimate.point)} {half}".strip()


def level(estimate: Estimate | None) -> str:
    """How surely an interval holds the truth: 95 %; empty where there is none."""
    return "" if estimate is None or estimate.level is None else f"{100 * estimate.level:.0f}{SPACE}%"


def size(count: float) -> str:
    """A number of bytes: 25.3 GB."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} bytes"
