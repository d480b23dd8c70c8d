"""The cells of a sweep: over the slots for `scale`; over the size, the latency or the chunk for `breakeven`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, exp, isfinite, lcm, log
from typing import Final

from orchestrator.errors import UsageError
from orchestrator.inputs.source import kind_of
from orchestrator.inputs.synthetic import MAX_SQUARE, MIN_SIDE
from orchestrator.model.runs import Cell, SweptAxis
from orchestrator.phrases.numbers import count
from orchestrator.planning.cells import Layout, cells_of
from orchestrator.planning.options import MAX_IMAGES, PROFILES, Options
from orchestrator.strategies import STRATEGIES
from worker.stages import STAGES

DEFAULT_STAGE: Final = "pipeline"
SWEEP_ROUNDS: Final = (
    10  # rounds of a sweep: its points support each other, so each needs fewer than a cell of `run`
)
MAX_TIMES: Final = 10  # times the profile's images that a sweep may take to fill every slot's last turn
MIN_TURNS: Final = 4  # turns of the most slots, where no number of images fills them all


@dataclass(frozen=True, slots=True)
class Range:
    """The ends of an axis: `low` to `high` by default, `lowest` to `highest` at most."""

    low: float
    high: float
    lowest: float
    highest: float


RANGES: Final[dict[SweptAxis, Range]] = {
    "size": Range(64, 2048, MIN_SIDE, MAX_SQUARE),  # pixels a side
    "latency": Range(1, 256, 0.1, 60_000),  # ms
    "chunk": Range(1, 64, 1, 10_000),  # tasks a message
}


def with_defaults(options: Options) -> Options:
    """Return the options with one stage, its best kernel, one chunk and fewer rounds where none are given."""
    stages = options.stages or (DEFAULT_STAGE,)
    best = dict.fromkeys(STAGES[stage].best for stage in stages)
    return replace(
        options,
        stages=stages,
        kernels=options.kernels or tuple(kernel for kernel in best if kernel is not None),
        chunks=options.chunks or (1,),
        rounds=options.rounds or str(min(SWEEP_ROUNDS, PROFILES[options.profile].rounds)),
    )


def slot_counts_of(options: Options) -> tuple[int, ...]:
    """Return the numbers of slots to sweep, each once, in rising order."""
    return tuple(sorted(set(options.slot_counts)))


def check_slot_counts(options: Options) -> None:
    """Check that the numbers of slots make a curve."""
    counts = slot_counts_of(options)
    if len(counts) == 1:
        raise UsageError(
            f"--slots {counts[0]} is one number of slots, which makes no curve; give several, such as "
            f"{counts[0]},{counts[0] + 1}, or measure it with 'orchestrator run --slots {counts[0]}'"
        )
    if not any(STRATEGIES[cell.strategy].many_slots for cell in cells_of(with_defaults(options), 1)):
        able = [name for name, kind in STRATEGIES.items() if kind.many_slots]
        raise UsageError(f"no chosen strategy can use more than one slot; choose {' or '.join(able)}")


def scale_layout(options: Options, fleet_slots: int | None) -> Layout:
    """Lay out the same work on every number of slots, by every chosen strategy."""
    counts = slot_counts_of(options)
    if fleet_slots is not None and counts[-1] > fleet_slots:
        raise UsageError(
            f"--slots {counts[-1]} is more than the {count(fleet_slots, 'slot')} of this fleet; start more workers"
        )
    chosen = _with_whole_turns(with_defaults(options), counts)
    cells = dict.fromkeys(cell for slots in counts for cell in cells_of(chosen, slots))
    return Layout(chosen, counts[-1], tuple(cells), "slots")


def breakeven_layout(options: Options, fleet_slots: int | None) -> Layout:
    """Lay out every chosen strategy at log-spaced points of one axis."""
    chosen = with_defaults(options)
    slots = options.slots or fleet_slots or 2
    points = points_of(options)
    cells = dict.fromkeys(cell for point in points for cell in _cells_at(chosen, slots, point))
    if options.axis == "chunk" and options.images is None:
        chosen = replace(chosen, images=min(MAX_IMAGES, int(2 * slots * points[-1])))
    return Layout(chosen, slots, tuple(cells), options.axis)


def points_of(options: Options) -> tuple[float, ...]:
    """Return the points of the sweep, as the options set its ends."""
    spread = RANGES[options.axis]
    ends = {
        "--from": spread.low if options.low is None else options.low,
        "--to": spread.high if options.high is None else options.high,
    }
    for flag, value in ends.items():
        if not isfinite(value) or not spread.lowest <= value <= spread.highest:
            raise UsageError(
                f"{flag} {value:g} is out of range; give a number from {spread.lowest:g} to {spread.highest:g}"
            )
    return spaced(ends["--from"], ends["--to"], options.points, whole=options.axis != "latency")


def spaced(low: float, high: float, points: int, whole: bool) -> tuple[float, ...]:
    """Return `points` values from `low` to `high` at even logarithmic steps, whole numbers if `whole`."""
    if low >= high:
        raise UsageError(f"--from {low:g} is not below --to {high:g}")
    steps = [exp(log(low) + (log(high) - log(low)) * i / (points - 1)) for i in range(points)]
    values = tuple(dict.fromkeys(float(round(step)) if whole else float(f"{step:.4g}") for step in steps))
    if len(values) < points:
        raise UsageError(
            f"from {low:g} to {high:g} there are not {points} different whole numbers; widen the range"
        )
    return values


def _with_whole_turns(options: Options, counts: tuple[int, ...]) -> Options:
    """With images that fill every slot's turns: a last turn that is part-filled looks like contention."""
    if options.images is not None or kind_of(options.source) != "origin":
        return options
    chunk = lcm(*options.chunks)
    least, step = PROFILES[options.profile].images, chunk * lcm(*counts)
    whole = step * ceil(least / step)
    few = whole <= MAX_TIMES * least
    return replace(options, images=whole if few else max(least, MIN_TURNS * chunk * counts[-1]))


def _cells_at(options: Options, slots: int, point: float) -> Iterator[Cell]:
    """The cells of one point. A sweep of the chunk is Celery's, so in-process cells occur once, with their own."""
    if options.axis == "chunk":
        yield from (cell for cell in cells_of(replace(options, chunks=()), slots) if not cell.distributed)
        swept = cells_of(replace(options, chunks=(int(point),)), slots)
        yield from (cell for cell in swept if cell.distributed)
        return
    for cell in cells_of(options, slots):
        if options.axis == "size":
            yield replace(cell, width=int(point), height=int(point))
        else:
            yield replace(cell, latency_ms=point)
