"""The cells of a sweep: over the slots for `scale`; over the work, the batch or the chunk for `breakeven`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, isfinite, lcm, log
from typing import Final

from orchestrator.analysis.scaling.crossover import FEWEST_POINTS
from orchestrator.errors import UsageError
from orchestrator.inputs import spin
from orchestrator.inputs.source import kind_of
from orchestrator.inputs.synthetic import MAX_SQUARE, MIN_SIDE
from orchestrator.model.environment import Preflight
from orchestrator.model.runs import Cell, Plan, SweptAxis
from orchestrator.phrases.numbers import count
from orchestrator.planning.cells import Layout, cells_of, repeated
from orchestrator.planning.options import BREAKEVEN, MAX_IMAGES, PROFILES, SWEEP_ROUNDS, Options
from orchestrator.strategies import STRATEGIES
from worker.stages import STAGES

DEFAULT_STAGE: Final = "pipeline"
MAX_TIMES: Final = 10  # times the profile's images that a sweep may take to fill every slot's last turn
MIN_TURNS: Final = 4  # turns of the most slots, where no number of images fills them all

# A sweep of the work goes from well below to well above the length at which a strategy should be half efficient.
SHORTEST, LONGEST = 1 / 30, 10.0
FINEST_S: Final = 1e-6  # a shorter task is nothing but its call
WORK_TASKS: Final = 64  # in a batch
WORK_CHUNKS: Final = (1, 4)
WORK_TRANSPORTS: Final = ("pickle", "redis")  # the payload of a spin task has a few bytes
EXTRA_ROUNDS: Final = 15  # of the two lengths on either side of the threshold


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
    "tasks": Range(2, 128, 1, MAX_IMAGES),  # in a batch
    "work": Range(
        0.1, 20, 0.001, 60_000
    ),  # ms a task; without --from and --to, as long as the overhead suggests
}


def with_defaults(options: Options) -> Options:
    """Return the options with one stage, its best kernel, one chunk and fewer rounds where none are given."""
    if options.command == BREAKEVEN and options.axis == "work":
        options = replace(
            options,
            stages=options.stages or (spin.STAGE,),
            chunks=options.chunks or WORK_CHUNKS,
            transports=options.transports or WORK_TRANSPORTS,
            images=options.images or WORK_TASKS,
        )
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
    if options.axis == "tasks":
        chosen = replace(chosen, images=int(points[-1]))
    if not points:
        cells = dict.fromkeys(replace(cell, work_s=None) for cell in cells_of(chosen, slots))
    if options.axis == "work" and not options.chunks:
        cells = dict.fromkeys(cell for cell in cells if cell.distributed or cell.chunk in (None, 1))
    return Layout(chosen, slots, tuple(cells), options.axis)


def chunks_within(cells: Sequence[Cell], batch: int) -> tuple[Cell, ...]:
    """Return the cells without the chunks that a batch does not have for each slot."""
    return tuple(cell for cell in cells if not cell.distributed or cell.slots * (cell.chunk or 1) <= batch)


def check_chunks(
    options: Options, cells: Sequence[Cell], batch: int, note: Callable[[str], object]
) -> tuple[Cell, ...]:
    """Return the cells of `--axis chunk` that a batch has tasks for, and note which are left out.

    Raises:
        UsageError: the user asked for a larger chunk with `--to`, or fewer chunks are left than a break-even needs.
    """
    kept = chunks_within(cells, batch)
    if len(kept) == len(cells):
        return kept
    slots = max(cell.slots for cell in cells if cell.distributed)
    chunks = sorted({cell.chunk or 1 for cell in cells if cell.distributed})
    left = sorted({cell.chunk or 1 for cell in kept if cell.distributed})
    out = chunks[len(left) :]
    has = f"a batch has {count(batch, 'task')} for {count(slots, 'slot')}"
    if options.high is not None or len(left) < FEWEST_POINTS:
        end = chunks[FEWEST_POINTS - 1] if options.high is None else chunks[-1]
        remedy = _larger_batch(options, slots * end, batch)
        or_less = ", or leave --to out" if options.high is not None and len(left) >= FEWEST_POINTS else ""
        raise UsageError(
            f"--axis chunk cannot go up to {count(end, 'task')} a message: {has}; {remedy}{or_less}"
        )
    note(
        f"messages of {' and '.join(filter(None, (', '.join(map(str, out[:-1])), str(out[-1]))))} tasks are left out, "
        f"because {has}; to include them, {_larger_batch(options, slots * out[-1], batch)}"
    )
    return kept


def _larger_batch(options: Options, needed: int, batch: int) -> str:
    """Return what a user does to have a batch as large as is needed."""
    if options.tried is not None:
        if options.tried.tasks < needed:
            also = "" if options.batch is None else f" and --batch {needed}"
            return f"give at least {count(needed, 'input')}{also}"
        return "give a larger --budget" if options.batch is None else f"give --batch {needed}"
    if kind_of(options.source) == "directory" and batch < (options.images or needed):
        return f"give a folder of at least {count(needed, 'picture')}"
    return f"give --images {needed}"


def with_lengths(plan: Plan, preflight: Preflight, points: int) -> Plan:
    """Return the plan of `--axis work` with task lengths around the overhead of each cell.

    All lengths lie on one grid, so that cells with similar overheads share the serial cells that they are compared
    with. In-process strategies also have Celery's lengths, to be compared with it.
    """
    step = (LONGEST / SHORTEST) ** (1 / (points - 1))
    many = [cell for cell in plan.cells if not cell.replica and STRATEGIES[cell.strategy].many_slots]
    lengths: dict[Cell, list[float]] = {}
    for cell in many:
        expected_s = (preflight.overhead_s(cell) or FINEST_S) * plan.efficiency / (1 - plan.efficiency)
        first = ceil(log(max(FINEST_S, expected_s * SHORTEST)) / log(step) - 0.5)
        lengths[cell] = [float(f"{step ** (first + index):.3g}") for index in range(points)]
    celery = [length for cell, found in lengths.items() if cell.distributed for length in found]
    for strategy in {cell.strategy for cell in lengths if not cell.distributed}:
        quickest = min(
            (cell for cell in lengths if cell.strategy == strategy), key=lambda cell: lengths[cell][0]
        )
        lengths[quickest] = sorted({*lengths[quickest], *celery})
    every = sorted({length for found in lengths.values() for length in found})
    cells = tuple(
        replace(cell, work_s=length)
        for cell in plan.cells
        if not cell.replica
        for length in lengths.get(cell, every)
    )
    return replace(plan, cells=(*cells, repeated(cells)))


def points_of(options: Options) -> tuple[float, ...]:
    """Return the points of the sweep, as the options set its ends; none where the preflight sets them."""
    spread = RANGES[options.axis]
    if options.axis == "work" and options.low is options.high is None:
        return ()
    ends = {
        "--from": spread.low if options.low is None else options.low,
        "--to": spread.high if options.high is None else options.high,
    }
    for flag, value in ends.items():
        if not isfinite(value) or not spread.lowest <= value <= spread.highest:
            raise UsageError(
                f"{flag} {value:g} is out of range; give a number from {spread.lowest:g} to {spread.highest:g}"
            )
    return spaced(ends["--from"], ends["--to"], options.points, whole=options.axis not in ("latency", "work"))


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
    least, step = PROFILES[options.profile].images, lcm(*options.chunks) * lcm(*counts)
    whole = step * ceil(least / step)
    few = whole <= MAX_TIMES * least
    turns = MIN_TURNS * max(options.chunks) * counts[-1]
    return replace(options, images=whole if few else min(MAX_IMAGES, max(least, turns)))


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
        elif options.axis == "tasks":
            yield replace(cell, tasks=int(point))
        elif options.axis == "work":
            yield replace(cell, work_s=point / 1000)
        else:
            yield replace(cell, latency_ms=point)
