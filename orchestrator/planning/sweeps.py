"""Plans that sweep: the slots for `scale`; the size, the latency or the chunk for `breakeven`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, lcm, log
from typing import Literal

from orchestrator.errors import UsageError
from orchestrator.inputs.synthetic import MAX_SQUARE, MIN_SIDE
from orchestrator.model.runs import Cell, Plan
from orchestrator.phrases.numbers import count
from orchestrator.planning.option_checks import check_axis, check_options
from orchestrator.planning.options import Options
from orchestrator.planning.plan import (
    MAX_IMAGES,
    MAX_SLOTS,
    again,
    cells_of,
    frame,
    known,
    number,
    profile_of,
    within,
)
from orchestrator.strategies import STRATEGIES
from worker.stages import STAGES

Axis = Literal["size", "latency", "chunk"]

DEFAULT_STAGE = "pipeline"
DEFAULT_SLOTS = (1, 2, 3, 4)
SWEEP_ROUNDS = 10
"""A sweep's points support each other, so each needs fewer rounds than a run's cells."""

MOST_TIMES = 10
"""More images than so many times the profile's are not chosen for the sake of whole turns."""

FEWEST_TURNS = 4
FEWEST_POINTS = 6
MOST_POINTS = 50


@dataclass(frozen=True, slots=True)
class Range:
    """What an axis is swept over where nothing else is asked for, and what it may be swept over."""

    low: float
    high: float
    lowest: float
    highest: float
    unit: str


RANGES: dict[Axis, Range] = {
    "size": Range(64, 2048, MIN_SIDE, MAX_SQUARE, "pixels a side"),
    "latency": Range(1, 256, 0.1, 60_000, "ms"),
    "chunk": Range(1, 64, 1, 10_000, "tasks a message"),
}


def scale_plan(options: Options, slots: Sequence[int], fleet_slots: int | None = None) -> Plan:
    """The same work on every number of slots in `slots`, by every strategy that can use more than one.

    Raises:
        UsageError: a choice makes no sense or would have no effect, there is one number of slots alone, or an
            external fleet has fewer slots than are asked for.
    """
    check_options(options)
    counts = tuple(dict.fromkeys(within("--slots", count, 1, MAX_SLOTS) for count in sorted(slots)))
    if len(counts) == 1:
        raise UsageError(
            f"--slots {counts[0]} is one number of slots, which makes no curve; give several, such as "
            f"{counts[0]},{counts[0] + 1}, or measure it with 'orchestrator run --slots {counts[0]}'"
        )
    if fleet_slots is not None and counts[-1] > fleet_slots:
        raise UsageError(
            f"--slots {counts[-1]} is more than the {count(fleet_slots, 'slot')} of this fleet; start more workers"
        )
    chosen = _with_whole_turns(_with_defaults(options), counts)
    cells = dict.fromkeys(cell for count in counts for cell in cells_of(chosen, count))
    many = [cell for cell in cells if STRATEGIES[cell.strategy].many_slots]
    if not many:
        raise UsageError("no chosen strategy can use more than one slot; choose celery, threads or processes")
    plan = frame(chosen, counts[-1], (*cells, *again(tuple(cells))))
    return replace(plan, axis="slots")


def breakeven_plan(
    options: Options,
    axis: str,
    low: float | None,
    high: float | None,
    points: int,
    fleet_slots: int | None = None,
) -> Plan:
    """Celery and its opponents at log-spaced points of one axis.

    Raises:
        UsageError: a choice makes no sense or would have no effect, the source or the stages cannot be swept so, or
            there are fewer than six points.
    """
    name: Axis = known("axis", [axis], RANGES)[0]  # type: ignore[assignment]  # it is one of the keys
    check_axis(options, name)
    check_options(options)
    spread = RANGES[name]
    low = number("--from", spread.low if low is None else low, spread.lowest, spread.highest)
    high = number("--to", spread.high if high is None else high, spread.lowest, spread.highest)
    values = spaced(
        low, high, within("--points", points, FEWEST_POINTS, MOST_POINTS), whole=name != "latency"
    )
    chosen = _with_defaults(options)
    slots = within("--slots", options.slots or fleet_slots or 2, 1, MAX_SLOTS)
    cells = tuple(dict.fromkeys(cell for value in values for cell in _cells_at(chosen, slots, name, value)))
    if name == "chunk":
        enough = int(2 * slots * values[-1])
        chosen = replace(chosen, images=chosen.images or min(MAX_IMAGES, enough))
    return replace(frame(chosen, slots, (*cells, *again(cells))), axis=name)


def spaced(low: float, high: float, points: int, whole: bool) -> tuple[float, ...]:
    """`points` values from `low` to `high` at even steps on the logarithmic scale, as whole numbers if so asked.

    Raises:
        UsageError: they do not rise, or do not differ once they are rounded.
    """
    if low >= high:
        raise UsageError(f"--from {low:g} is not below --to {high:g}")
    steps = [exp(log(low) + (log(high) - log(low)) * i / (points - 1)) for i in range(points)]
    values = tuple(dict.fromkeys(float(round(step)) if whole else float(f"{step:.4g}") for step in steps))
    if len(values) < points:
        raise UsageError(
            f"from {low:g} to {high:g} there are not {points} different whole numbers; widen the range"
        )
    return values


def parse_slots(text: str) -> tuple[int, ...]:
    """Numbers of slots from `1,2,4`.

    Raises:
        UsageError: it is not of that form.
    """
    if not re.fullmatch(r"\d{1,6}(,\d{1,6})*", text.replace(" ", "")):
        raise UsageError(f"--slots {text!r} is not a list of whole numbers such as 1,2,4")
    return tuple(int(part) for part in text.split(","))


def _with_defaults(options: Options) -> Options:
    """One stage with its best kernel, one message form, fewer rounds, unless something else was asked for."""
    stages = options.stages or (DEFAULT_STAGE,)
    known("stage", stages, STAGES)
    kernels = options.kernels or tuple(dict.fromkeys(STAGES[stage].best for stage in stages))
    rounds = options.rounds or str(min(SWEEP_ROUNDS, profile_of(options).rounds))
    return replace(options, stages=stages, kernels=kernels, chunks=options.chunks or (1,), rounds=rounds)


def _with_whole_turns(options: Options, counts: Sequence[int]) -> Options:
    """With as many images as fill every slot's turns, unless a number is asked for or the source has its own.

    A last turn that is part-filled looks like contention. Where no number of images within reason is a
    multiple of every number of slots, there are at least `FEWEST_TURNS` turns.
    """
    if options.images is not None or options.source != "origin":
        return options
    chunk = lcm(*options.chunks)
    least, step = profile_of(options).images, chunk * lcm(*counts)
    whole = step * ceil(least / step)
    few = whole <= MOST_TIMES * least
    return replace(options, images=whole if few else max(least, FEWEST_TURNS * chunk * counts[-1]))


def _cells_at(options: Options, slots: int, axis: Axis, value: float) -> Iterator[Cell]:
    """The cells of one point. A chunk is Celery's alone, so in-process cells stand for every chunk."""
    if axis == "chunk":
        yield from cells_of(replace(options, chunks=(int(value),)), slots)
        return
    for cell in cells_of(options, slots):
        if axis == "size":
            yield replace(cell, width=int(value), height=int(value))
        else:
            yield replace(cell, latency_ms=value)
