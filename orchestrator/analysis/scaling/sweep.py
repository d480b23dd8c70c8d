"""The break-even of each stage against each baseline, from a run that swept the work or the chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.queueing.service_demands import Bounds, Demands, bounds
from orchestrator.analysis.scaling.crossover import BreakEven, SweepPoint, break_even
from orchestrator.analysis.stats.intervals import paired
from orchestrator.analysis.verdicts.comparability import eligible, noise_floor, obstacle
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates, is_celery
from orchestrator.model.findings import Against
from orchestrator.model.runs import Cell, CellResult, Run

Axis: TypeAlias = Literal["pixels", "latency_ms", "chunk", "tasks", "work_ms"]

# The plan's name of a swept axis, and the unit in which it is analysed.
AXES: Final[dict[str, Axis]] = {
    "size": "pixels",
    "latency": "latency_ms",
    "chunk": "chunk",
    "tasks": "tasks",
    "work": "work_ms",
}

# Along these axes the cells of a stage do different work, so that the stage as a whole has no verdict.
OF_WORK: Final = ("size", "latency", "tasks", "work")


@dataclass(frozen=True, slots=True)
class Sweep:
    """A stage's sweep against a baseline."""

    stage: str
    against: Against
    axis: Axis
    found: BreakEven
    celery: tuple[Cell, ...]  # the best cell at each of `found.points`
    versus: tuple[Cell, ...]
    left_out: tuple[float, ...] = ()  # values at which both were measured but are not comparable


@dataclass(frozen=True, slots=True)
class SweepLimit:
    """What limits Celery's best cell at the lowest value of a sweep."""

    sweep: Sweep
    bounds: Bounds


def sweeps(run: Run) -> tuple[Sweep, ...]:
    """Find the break-even of each swept stage against each baseline."""
    return tuple(
        sweep
        for stage in run.stages
        if (axis := axis_of(run, stage)) is not None
        for against in BASELINES
        if (sweep := _sweep(run, stage, against, axis)) is not None
    )


def smallest_difference(run: Run) -> float:
    """Return the share by which two cells must differ to count: the margin, or what the A/A pair differs by."""
    noise = noise_floor(run)
    return max(run.plan.margin, 0.0 if noise is None else exp(abs(log(noise.point))) - 1)


def distinct(found: Sequence[Sweep]) -> tuple[Sweep, ...]:
    """Leave out a baseline whose cells are those of another: serial may be the best in-process cell everywhere."""
    first = {(sweep.stage, sweep.versus): sweep for sweep in reversed(found)}
    return tuple(sweep for sweep in found if first[sweep.stage, sweep.versus] is sweep)


def sweep_limits(found: Sequence[Sweep], demands: Demands) -> tuple[SweepLimit, ...]:
    """Compute what limits Celery in each stage, except those in which it is always faster."""
    of_stage = {
        each.stage: each for each in found if not (each.found.everywhere and each.found.kind == "always")
    }
    limits = []
    for sweep in of_stage.values():
        cell = sweep.celery[0]
        measured = demands(cell)
        limit = None if measured is None else bounds(measured, cell.slots)
        if limit is not None:
            limits.append(SweepLimit(sweep, limit))
    return tuple(limits)


def axis_of(run: Run, stage: str) -> Axis | None:
    """Return the swept axis if the stage's Celery cells have several values on it."""
    axis = AXES.get(run.plan.axis or "")
    cells = [result.cell for result in run.of_stage(stage) if result.samples and result.cell.distributed]
    return axis if axis is not None and len({axis_value(run, cell, axis) for cell in cells}) > 1 else None


def axis_value(run: Run, cell: Cell, axis: Axis) -> float:
    """Return a cell's value on the axis: its own, or the plan's."""
    if axis == "pixels":
        return float((cell.width or run.plan.width) * (cell.height or run.plan.height))
    if axis == "latency_ms":
        return run.plan.latency_ms if cell.latency_ms is None else cell.latency_ms
    if axis == "tasks":
        return float(cell.tasks or run.plan.images)
    if axis == "work_ms":
        return 1000 * (cell.work_s or 0.0)
    return float(cell.chunk or 1)


def _sweep(run: Run, stage: str, against: Against, axis: Axis) -> Sweep | None:
    """Compare a stage with a baseline, which is the same at every chunk: only Celery's chunk is swept."""
    ours = _by_value(run, candidates(run.of_stage(stage), is_celery), axis)
    baseline = candidates(run.of_stage(stage), BASELINES[against])
    theirs = (
        {at: list(eligible(baseline)) for at in ours} if axis == "chunk" else _by_value(run, baseline, axis)
    )
    points, celery, versus, left_out = [], [], [], []
    for at in sorted(ours.keys() & theirs.keys()):
        one, other = select_best(ours[at]), select_best(theirs[at])
        # A logarithmic axis has no 0, the latency of an image server without any.
        if at <= 0:
            continue
        if one is None or other is None or obstacle(one, other) is not None:
            left_out.append(at)
            continue
        times, baseline_s = one.makespans_s, other.makespans_s
        points.append(SweepPoint(at, {r: times[r] / baseline_s[r] for r in paired(times, baseline_s)}))
        celery.append(one.best.cell)
        versus.append(other.best.cell)
    if not points:
        return None
    found = break_even(points, smallest_difference(run))
    return Sweep(stage, against, axis, found, tuple(celery), tuple(versus), tuple(left_out))


def _by_value(run: Run, results: tuple[CellResult, ...], axis: Axis) -> dict[float, list[CellResult]]:
    found: dict[float, list[CellResult]] = {}
    for result in results:
        found.setdefault(axis_value(run, result.cell, axis), []).append(result)
    return {at: list(eligible(there)) for at, there in found.items()}
