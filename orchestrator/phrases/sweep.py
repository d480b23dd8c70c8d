"""Sentences about a sweep: whether, from where on and by how much Celery pays."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor, sqrt
from typing import Final

from orchestrator.analysis.scaling.crossover import FEWEST_POINTS, BreakEven, Crossover, SweepPoint
from orchestrator.analysis.scaling.sweep import Axis, Sweep, axis_value
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, VERDICT_ROUNDS
from orchestrator.model.runs import Run
from orchestrator.phrases.numbers import count, number
from orchestrator.phrases.verdicts import ROUNDS_RULE

UNITS: Final[dict[Axis, str]] = {"pixels": "pixels", "latency_ms": "ms of latency", "work_ms": "ms a task"}
WHOLE: Final[dict[Axis, str]] = {"chunk": " a message", "tasks": ""}  # axes of whole tasks


def sweep_sentence(sweep: Sweep, run: Run) -> str:
    """Say whether, from where on and by how much Celery pays, and which points could not be compared."""
    answer = _answer(sweep, run)
    if not sweep.left_out:
        return answer
    *others, last = sweep.left_out
    points = ", ".join([*(_bare(sweep, run, at) for at in others), value_name(sweep, run, last)])
    return f"{answer} Left out, because more tasks failed on one side or outputs were wrong: {points}."


def _answer(sweep: Sweep, run: Run) -> str:
    found = sweep.found
    who = "the fastest in-process cell" if sweep.against == "best in-process" else "serial"
    tested = f"from {span_name(sweep, run, found.low, found.high)}"
    if len(found.points) < FEWEST_POINTS:
        return f"It is unclear where Celery beats {who}: {_too_few_points(sweep, run)}."
    if found.kind == "undecided":
        return f"Celery and {who} do not differ significantly {tested}: {_why_undecided(found)}."
    ends = _ends(sweep, run)
    if found.everywhere and found.kind == "always":
        return f"Celery beats {who} in the whole tested range, {tested}: it {ends}."
    if found.everywhere:
        return f"Celery never beats {who} {tested}: it {ends}."
    if found.kind in ("always", "never"):
        none = "" if found.kind == "always" else f"No break-even was found {no_further(sweep, run)}: "
        does = "faster" if found.kind == "always" else "slower"
        where = significant(sweep, run)
        return f"{none}Celery is significantly {does} than {who} {where}. It {ends}, the ends of the tested range."
    parts = [f"{paying(sweep, run, each)} ({_interval(each, sweep, run)})" for each in found.crossovers]
    if found.kind == "perhaps" and found.pays:
        where = " and ".join(_span(sweep, run, *span) for span in found.significant)
        return (
            f"Celery is significantly faster than {who} {where}, and perhaps {', '.join(parts)}; it {ends}, the ends "
            "of the tested range."
        )
    if found.kind == "perhaps":
        return (
            f"No break-even is certain {no_further(sweep, run)}. Perhaps Celery beats {who} {', '.join(parts)}; it "
            f"{ends}, the ends of the tested range."
        )
    several = " It crosses more than once; see the chart." if found.kind == "several" else ""
    return f"Celery beats {who} {', '.join(parts)}; it {ends}, the ends of the tested range.{several}"


def paying(sweep: Sweep, run: Run, crossover: Crossover) -> str:
    """Say on which side of a crossover Celery pays: `from 611x611 pixels`, `up to 4 tasks a message`."""
    at = _reached(sweep, crossover, crossover.at)
    return f"{'from' if crossover.pays_above else 'up to'} {value_name(sweep, run, at)}"


def value_name(sweep: Sweep, run: Run, at: float) -> str:
    """Return a value of the axis with its unit: an image size of the swept shape, a latency, a chunk."""
    if sweep.axis in WHOLE:
        return f"{count(round(at), 'task')}{WHOLE[sweep.axis]}"
    return f"{_bare(sweep, run, at)} {UNITS[sweep.axis]}"


def span_name(sweep: Sweep, run: Run, low: float, high: float) -> str:
    """Return a span of the axis with its unit: `64x64 to 512x512 pixels`; one value if both ends are equal."""
    first, last = _bare(sweep, run, low), _bare(sweep, run, high)
    return value_name(sweep, run, high) if first == last else f"{first} to {value_name(sweep, run, high)}"


def no_further(sweep: Sweep, run: Run) -> str:
    """Say how far a break-even was looked for: `up to 2048x2048 pixels`."""
    return f"up to {value_name(sweep, run, sweep.found.high)}"


def near(sweep: Sweep, run: Run, crossover: Crossover) -> str:
    """Return a crossover with its interval, for a headline: `from 611x611 pixels (580x580 to 640x640)`."""

    def bare(end: float) -> str:
        return _bare(sweep, run, _reached(sweep, crossover, end))

    words = paying(sweep, run, crossover)
    if crossover.low is None or crossover.high is None:
        ends = [f"up to {bare(each)}" for each in (crossover.high,) if each is not None]
        ends += [f"from {bare(each)}" for each in (crossover.low,) if each is not None]
        return f"{words} ({' and '.join(ends)})" if ends else words
    low, high = bare(crossover.low), bare(crossover.high)
    return words if low == high == bare(crossover.at) else f"{words} ({low} to {high})"


def significant(sweep: Sweep, run: Run) -> str:
    """Say where a sweep is significant: `from 512x512 to 729x729 pixels; below that it is unclear`."""
    found = sweep.found
    below = all(high < found.significant[0][0] for _, high in found.unclear)
    above = all(low > found.significant[-1][1] for low, _ in found.unclear)
    where = "below that" if below else "above that" if above else "elsewhere"
    return f"{' and '.join(_span(sweep, run, *span) for span in found.significant)}; {where} it is unclear"


def _span(sweep: Sweep, run: Run, low: float, high: float) -> str:
    if sweep.axis in WHOLE:
        low, high = _whole(ceil, low), _whole(floor, high)
    name = span_name(sweep, run, low, high)
    return f"at {name}" if name == value_name(sweep, run, high) else f"from {name}"


def _reached(sweep: Sweep, crossover: Crossover, at: float) -> float:
    """Round a number of tasks to the first whole one at which Celery pays, or the last."""
    if sweep.axis not in WHOLE:
        return at
    return _whole(ceil if crossover.pays_above else floor, at)


def _whole(rounded: Callable[[float], int], at: float) -> int:
    # The logarithm of the axis may leave a rounding error on a whole number.
    return rounded(round(at, 6))


def _bare(sweep: Sweep, run: Run, at: float) -> str:
    if sweep.axis == "pixels":
        cell = sweep.celery[0]
        shape = (cell.width or run.plan.width) / (cell.height or run.plan.height)
        return f"{sqrt(at * shape):.0f}x{sqrt(at / shape):.0f}"
    return f"{round(at)}" if sweep.axis in WHOLE or at >= 1000 else f"{at:.3g}"


def _ends(sweep: Sweep, run: Run) -> str:
    """Compare at both ends: `takes 4.20 times as long at 64x64 and 1.30 times as long at 512x512 pixels`."""
    first, last = sweep.found.points[0], sweep.found.points[-1]
    verb, speed = _speed(first)
    other_verb, other = _speed(last)
    then = other if other_verb == verb else f"{other_verb} {other}"
    return f"{verb} {speed} at {_bare(sweep, run, first.at)} and {then} at {value_name(sweep, run, last.at)}"


def _speed(point: SweepPoint) -> tuple[str, str]:
    ratio = point.ratio
    if ratio is None:
        return "was", "not measured"
    if ratio.point < 1:
        return "is", f"{number(1 / ratio.point)} times as fast"
    return "takes", f"{number(ratio.point)} times as long"


def _interval(found: Crossover, sweep: Sweep, run: Run) -> str:
    level = f"{100 * found.level:.0f} % interval"
    low, high = (None if end is None else _reached(sweep, found, end) for end in (found.low, found.high))
    if low is not None and high is not None:
        return f"{level}: {span_name(sweep, run, low, high)}"
    if low is not None:
        return f"{level}: from {value_name(sweep, run, low)}, possibly beyond the tested range"
    if high is not None:
        return f"{level}: up to {value_name(sweep, run, high)}, possibly below the tested range"
    return f"{level}: anywhere in the tested range or beyond it"


def _too_few_points(sweep: Sweep, run: Run) -> str:
    compared = len(sweep.found.points)
    asked = {
        axis_value(run, cell, sweep.axis)
        for cell in run.plan.cells
        if cell.distributed and cell.stage == sweep.stage
    }
    of = f" of {len(asked)}" if len(asked) > compared else ""
    points = "point" if len(asked) == 1 else "points"
    return f"only {compared}{of} {points} could be compared, and {FEWEST_POINTS} are needed"


def _why_undecided(found: BreakEven) -> str:
    rounds = len(set.intersection(*(set(point.ratios) for point in found.points)))
    if rounds < FEWEST_ROUNDS:
        return (
            f"{ROUNDS_RULE} (choosing the best cell takes one), but only {count(rounds, 'round')} can be compared; use "
            f"--rounds {VERDICT_ROUNDS} or more"
        )
    return (
        "the margin or the noise is larger than the difference everywhere; use more --rounds or a wider range"
    )
