"""A sweep of the work in words: whether, from where and by how much Celery pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, sqrt
from typing import Final

from orchestrator.analysis.scaling.crossover import FEWEST_POINTS, BreakEven, Crossover, SweepPoint
from orchestrator.analysis.scaling.sweep import Axis, Sweep, place
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS
from orchestrator.model.runs import Run
from orchestrator.phrases.numbers import count, number

UNITS: Final[dict[Axis, str]] = {"pixels": "pixels", "latency_ms": "ms of latency"}


def distinct(sweeps: Sequence[Sweep]) -> tuple[Sweep, ...]:
    """The sweeps without those that another says already: the best in-process cell may be the serial one everywhere."""
    found: list[Sweep] = []
    for sweep in sweeps:
        if not any(each.stage == sweep.stage and each.versus == sweep.versus for each in found):
            found.append(sweep)
    return tuple(found)


def sweep_sentence(sweep: Sweep, run: Run) -> str:
    """Whether, from where and by how much Celery pays on a swept axis, and which places that leaves out."""
    answer = _answer(sweep, run)
    if not sweep.left_out:
        return answer
    *others, last = sweep.left_out
    places = ", ".join([*(_bare(sweep, run, at) for at in others), place_name(sweep, run, last)])
    return f"{answer} Left out (tasks failed or outputs were wrong, and not on both sides alike): {places}."


def _answer(sweep: Sweep, run: Run) -> str:
    """Whether, from where and by how much Celery pays on a swept axis."""
    found = sweep.found
    who = "the best in-process cell" if sweep.against == "best in-process" else "serial"
    tested = f"from {span_name(sweep, run, found.low, found.high)}"
    if len(found.points) < FEWEST_POINTS:
        return f"Where Celery beats {who} cannot be told: {_too_few_places(sweep, run)}."
    if found.kind == "undecided":
        return f"Celery and {who} cannot be told apart {tested}: {_why_undecided(found)}."
    ends = _ends(sweep, run)
    if found.everywhere and found.kind == "always":
        return f"Celery beats {who} wherever it was tested, {tested}: it {ends}."
    if found.everywhere:
        return f"Celery beats {who} nowhere {tested}: it {ends}."
    if found.kind in ("always", "never"):
        does = "surely beats" if found.kind == "always" else "is surely slower than"
        return f"Celery {does} {who} {surely(sweep, run)}. It {ends}, the ends of what was tested."
    parts = [f"{paying(sweep, run, each)} ({_interval(each, sweep, run)})" for each in found.crossings]
    several = " It crosses more than once, so look at the curve." if found.kind == "several" else ""
    return f"Celery beats {who} {', '.join(parts)}; it {ends}, the ends of what was tested.{several}"


def paying(sweep: Sweep, run: Run, crossing: Crossover) -> str:
    """From or up to where Celery pays: `from 611x611 pixels`, `up to 4 tasks a message`."""
    at = _reached(sweep, crossing, crossing.at)
    return f"{'from' if crossing.pays_above else 'up to'} {place_name(sweep, run, at)}"


def place_name(sweep: Sweep, run: Run, at: float) -> str:
    """A place on the axis as a person says it: an image size of the shape that was swept, a latency, a chunk."""
    if sweep.axis == "chunk":
        return f"{count(round(at), 'task')} a message"
    return f"{_bare(sweep, run, at)} {UNITS[sweep.axis]}"


def span_name(sweep: Sweep, run: Run, low: float, high: float) -> str:
    """A stretch of the axis, its unit said once: `64x64 to 512x512 pixels`; of one place, that place."""
    first, last = _bare(sweep, run, low), _bare(sweep, run, high)
    return place_name(sweep, run, high) if first == last else f"{first} to {place_name(sweep, run, high)}"


def surely(sweep: Sweep, run: Run) -> str:
    """Where a sweep without a crossing is sure: `from 512x512 to 729x729 pixels; below that one cannot tell`."""
    found = sweep.found
    below = all(high < found.sure[0][0] for _, high in found.unsure)
    above = all(low > found.sure[-1][1] for low, _ in found.unsure)
    where = "below that" if below else "above that" if above else "elsewhere"
    return f"{' and '.join(_stretch(sweep, run, *span) for span in found.sure)}; {where} one cannot tell"


def _stretch(sweep: Sweep, run: Run, low: float, high: float) -> str:
    if sweep.axis == "chunk":
        low, high = _whole(ceil, low), _whole(floor, high)
    name = span_name(sweep, run, low, high)
    return f"at {name}" if name == place_name(sweep, run, high) else f"from {name}"


def _reached(sweep: Sweep, crossing: Crossover, at: float) -> float:
    """The first place from `at` on where Celery can pay, or the last up to it: a chunk is whole."""
    if sweep.axis != "chunk":
        return at
    return _whole(ceil if crossing.pays_above else floor, at)


def _whole(rounded: Callable[[float], int], at: float) -> int:
    """A chunk from a place between two, which may miss a whole one by what a logarithm does."""
    return rounded(round(at, 6))


def _bare(sweep: Sweep, run: Run, at: float) -> str:
    if sweep.axis == "pixels":
        cell = sweep.celery[0]
        shape = (cell.width or run.plan.width) / (cell.height or run.plan.height)
        return f"{sqrt(at * shape):.0f}x{sqrt(at / shape):.0f}"
    return f"{round(at)}" if sweep.axis == "chunk" or at >= 1000 else f"{at:.3g}"


def _ends(sweep: Sweep, run: Run) -> str:
    """How Celery did at both ends: `takes 4.20 times as long at 64x64 and 1.30 times as long at 512x512 pixels`."""
    first, last = sweep.found.points[0], sweep.found.points[-1]
    verb, speed = _speed(first)
    other_verb, other = _speed(last)
    then = other if other_verb == verb else f"{other_verb} {other}"
    return f"{verb} {speed} at {_bare(sweep, run, first.at)} and {then} at {place_name(sweep, run, last.at)}"


def _speed(point: SweepPoint) -> tuple[str, str]:
    """How Celery did at a place: a verb, and the rest of it."""
    ratio = point.ratio
    if ratio is None:
        return "was", "not measured"
    if ratio.point < 1:
        return "is", f"{number(1 / ratio.point)} times as fast"
    return "takes", f"{number(ratio.point)} times as long"


def _interval(found: Crossover, sweep: Sweep, run: Run) -> str:
    level = f"{100 * found.level:.0f} % interval"
    low, high = (None if end is None else _reached(sweep, found, end) for end in (found.low, found.high))
    if low is None and high is None:
        return f"{level}: anywhere in the tested range, or beyond"
    if low is None:
        return f"{level}: up to {place_name(sweep, run, high or 0.0)}, perhaps below the tested range"
    if high is None:
        return f"{level}: from {place_name(sweep, run, low)}, perhaps beyond the tested range"
    return f"{level}: {span_name(sweep, run, low, high)}"


def _too_few_places(sweep: Sweep, run: Run) -> str:
    compared = len(sweep.found.points)
    asked = {
        place(run, cell, sweep.axis)
        for cell in run.plan.cells
        if cell.distributed and cell.stage == sweep.stage
    }
    of = f" of {len(asked)}" if len(asked) > compared else ""
    places = "place" if len(asked) == 1 else "places"
    return f"only {compared}{of} {places} could be compared, {FEWEST_POINTS} are needed"


def _why_undecided(found: BreakEven) -> str:
    rounds = len(set.intersection(*(set(point.ratios) for point in found.points)))
    if rounds < FEWEST_ROUNDS:
        return (
            f"an interval needs {FEWEST_ROUNDS} rounds in which both were measured, and the choice of the best cell "
            f"takes one more, but there {'is' if rounds == 1 else 'are'} {count(rounds, 'round')}; use more --rounds"
        )
    return "their times differ by less than the margin or the noise everywhere; use more --rounds or a wider range"
