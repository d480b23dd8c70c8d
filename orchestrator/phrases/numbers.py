"""Figures as people read them: the only place where units and digits are chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable

from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Run


def digits(value: float, significant: int = 3) -> str:
    """A number with about `significant` digits and no exponent: 0.0123, 1.23, 123, 12300."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def seconds(value: float | None) -> str:
    """A time in the unit that suits it: 12.3 µs, 4.56 ms, 7.89 s."""
    if value is None:
        return "-"
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(value) >= factor * 0.9995:
            return f"{digits(value / factor)} {unit}"
    return f"{digits(value * 1e9)} ns" if value else "0 s"


def times(estimate: Estimate | None) -> str:
    """A speedup: 1.84x, 0.021x, 348x; a dash where there is none."""
    return "-" if estimate is None else f"{_ratio(estimate.point)}x"


def _ratio(value: float) -> str:
    """Three digits where they mean something, and never more than three places."""
    places = min(3, max(0, 2 - math.floor(math.log10(value)))) if value > 0 else 0
    return f"{value:.{places}f}"


def interval(estimate: Estimate | None) -> str:
    """The interval alone: 1.71..1.96; empty where too few rounds allow none."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f"{_ratio(estimate.low)}..{_ratio(estimate.high)}"


def spread(estimate: Estimate | None) -> str:
    """Half the interval's width as a share of the point: ±7 %; empty where there is no interval."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    share = (estimate.high - estimate.low) / 2 / estimate.point
    return f"±{share:.0%}" if share < 9.995 else "±>999%"


def levels(estimates: Iterable[Estimate | None]) -> str:
    """How sure intervals are: `95 %`, or from the lowest to the highest `94 to 95 %`; empty where there are none."""
    known = sorted(each.level for each in estimates if each is not None and each.level is not None)
    ends = dict.fromkeys(f"{100 * level:.0f}" for level in (*known[:1], *known[-1:]))
    return f"{' to '.join(ends)} %" if ends else ""


def rate(value: float | None) -> str:
    """Bytes a second in MB/s."""
    return "-" if value is None else f"{digits(value / 1e6)} MB/s"


def sizes(run: Run) -> str:
    """The size of the images, or the range of a sweep of it: `128x96`, `64x64 to 2048x2048`."""
    swept = [(cell.width, cell.height) for cell in run.plan.cells if cell.width and cell.height]
    if not swept:
        return f"{run.plan.width}x{run.plan.height}"
    return " to ".join(f"{width}x{height}" for width, height in dict.fromkeys((min(swept), max(swept))))


def latencies(run: Run) -> str:
    """The latency of the origin, or the range of a sweep of it: `5 ms`, `1 to 256 ms`."""
    swept = [cell.latency_ms for cell in run.plan.cells if cell.latency_ms is not None]
    ends = dict.fromkeys((min(swept), max(swept))) if swept else [run.plan.latency_ms]
    return f"{' to '.join(f'{each:g}' for each in ends)} ms"
