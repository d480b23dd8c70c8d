"""Figures as every report shows them: the only module that chooses units, digits and signs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from orchestrator.analysis.stats.intervals import ASKED_LEVEL
from orchestrator.model.findings import Estimate

NONE: Final = "\u2013"  # for a figure that does not exist
TO: Final = "\u2013"  # between the ends of an interval
TIMES: Final = "\u00d7"
LEAST_DECIMAL: Final = 0.1  # smaller ratios are told as one over a number


def number(value: float, significant: int = 3) -> str:
    """Return a number without an exponent, and with all its integer digits: 0.0123, 1.23, 123, 12,300."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = abs(float(f"{value:.{significant}g}"))
    places = max(0, significant - 1 - math.floor(math.log10(rounded)))
    return f"{value:,.{places}f}"


def seconds(value: float | None) -> str:
    """Return a time in the unit that suits it: 12.3 µs, 4.56 ms, 7.89 s."""
    if value is None:
        return NONE
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(value) >= factor * 0.9995:
            return f"{number(value / factor)} {unit}"
    return f"{number(value * 1e9)} ns" if value else "0 s"


def size(value: float) -> str:
    """Return a number of bytes: 25.3 GB."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= factor:
            return f"{number(value / factor)} {unit}"
    return count(round(value), "byte")


def rate(value: float | None) -> str:
    """Return bytes a second in MB/s."""
    return NONE if value is None else f"{number(value / 1e6)} MB/s"


def per_second(rate: float) -> str:
    """Return an arrival rate: 40/s, 2.5/s, 1,000/s."""
    return f"{rate:,.6g}/s"


def percent(share: float) -> str:
    """Return a share from 0 to 1 in percent: 3.5 %, 12 %."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def count(quantity: int, noun: str) -> str:
    """Return a quantity with its noun: 1 round, 7 rounds."""
    return f"{quantity:,} {noun}" if quantity == 1 else f"{quantity:,} {noun}s"


def listed(words: Iterable[str]) -> str:
    """Join words into a list: `a`, `a and b`, `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def times(ratio: Estimate | None) -> str:
    """Return a speedup with a multiplication sign: 1.84×, 1/47.6×, 348×."""
    return NONE if ratio is None else f"{fraction(ratio.point)}{TIMES}"


def fraction(ratio: float) -> str:
    """Return a ratio as a reader would say it: 1.84, 0.51, and below a tenth 1/47.6."""
    return number(ratio) if ratio >= LEAST_DECIMAL else f"1/{number(1 / ratio)}"


def ratio_interval(ratio: Estimate | None) -> str:
    """Return the interval of a ratio: 1.71–1.96, 1/50–1/45."""
    return interval(ratio, fraction)


def interval(estimate: Estimate | None, show: Callable[[float], str] = number, to: str = TO) -> str:
    """Return the interval of an estimate; empty where there is none.

    A unit that both ends share is shown once: 52.3–58.1 ms. A sentence has " to " between them.
    """
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    low, high = show(estimate.low), show(estimate.high)
    shared = f" {high.rpartition(' ')[2]}"
    if " " in high and low.endswith(shared):
        low = low.removesuffix(shared)
    return f"{low} {to.strip()} {high}" if " " in low else f"{low}{to}{high}"


def spread(estimate: Estimate | None) -> str:
    """Return half the interval's width as a share of the point: ±7%; empty where there is no interval."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    share = (estimate.high - estimate.low) / 2 / estimate.point
    return f"±{share:.0%}" if share < 9.995 else "±>999%"


def level(*estimates: Estimate | None) -> str:
    """Return how often such intervals hold the truth, at least: `95 %`; empty without an interval."""
    known = [each.level for each in estimates if each is not None and each.level is not None]
    return f"{100 * min(*known, ASKED_LEVEL):.0f} %" if known else ""


def exact_level(estimate: Estimate | None) -> str:
    """Return the level of one interval, which its number of rounds decides: `96.9 %`."""
    return "" if estimate is None or estimate.level is None else f"{100 * estimate.level:.1f} %"


def evidence(ratio: Estimate, rounds: int | str, show: Callable[[float], str] = number) -> str:
    """Return what a ratio is based on: `1.71 to 1.96, 95 % interval, 7 rounds`."""
    of_rounds = count(rounds, "round") if isinstance(rounds, int) else rounds
    within = interval(ratio, show, " to ")
    return f"{within}, {level(ratio)} interval, {of_rounds}" if within else of_rounds
