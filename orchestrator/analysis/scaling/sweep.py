"""What a run tells that swept the work of a task: the break-even of each stage against each baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.scaling.crossover import BreakEven, SweepPoint, break_even
from orchestrator.analysis.stats.intervals import paired
from orchestrator.analysis.verdicts.comparability import eligible, obstacle
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates
from orchestrator.model.findings import Against
from orchestrator.model.runs import Cell, CellResult, Run

Axis: TypeAlias = Literal["pixels", "latency_ms", "chunk"]

AXES: Final[dict[str, Axis]] = {"size": "pixels", "latency": "latency_ms", "chunk": "chunk"}
"""What a plan calls what it swept, and what that is measured in here: such a run asks from where Celery pays."""

OF_WORK: Final = ("size", "latency")
"""Axes along which cells of one stage do different work, so that the stage as a whole has no verdict."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One stage's sweep against a baseline.

    The axis is `pixels` of an image, `latency_ms` of the origin, or the `chunk`. `celery` and `versus` are
    the best cells at each place, in the order of `found.points`. `left_out` are the places where both were
    measured and may not be compared (`comparable`).
    """

    stage: str
    against: Against
    axis: Axis
    found: BreakEven
    celery: tuple[Cell, ...]
    versus: tuple[Cell, ...]
    left_out: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class BreakevenFindings:
    """All that a sweep says, computed from the run alone."""

    sweeps: tuple[Sweep, ...]


def sweeping(run: Run) -> BreakevenFindings:
    """Each stage's sweeps; a stage whose work was not swept has none."""
    return BreakevenFindings(
        tuple(
            sweep
            for stage in run.stages
            if (axis := axis_of(run, stage)) is not None
            for against in BASELINES
            if (sweep := _sweep(run, stage, against, axis)) is not None
        )
    )


def axis_of(run: Run, stage: str) -> Axis | None:
    """What the plan swept, if the stage's Celery cells lie at several places of it."""
    axis = AXES.get(run.plan.axis or "")
    cells = [result.cell for result in run.of_stage(stage) if result.samples and result.cell.distributed]
    return axis if axis is not None and len({place(run, cell, axis) for cell in cells}) > 1 else None


def place(run: Run, cell: Cell, axis: Axis) -> float:
    """Where on the axis a cell lies: its own work, or else the plan's."""
    if axis == "pixels":
        return float((cell.width or run.plan.width) * (cell.height or run.plan.height))
    if axis == "latency_ms":
        return run.plan.latency_ms if cell.latency_ms is None else cell.latency_ms
    return float(cell.chunk or 1)


def _sweep(run: Run, stage: str, against: Against, axis: Axis) -> Sweep | None:
    """Compare a stage with a baseline, which is the same at every chunk: only Celery's chunk is swept."""
    ours = _by_place(run, candidates(run.of_stage(stage), lambda cell: cell.distributed), axis)
    baseline = candidates(run.of_stage(stage), BASELINES[against])
    theirs = (
        {at: list(eligible(baseline)) for at in ours} if axis == "chunk" else _by_place(run, baseline, axis)
    )
    points, celery, versus, left_out = [], [], [], []
    for at in sorted(ours.keys() & theirs.keys()):
        one, other = select_best(ours[at]), select_best(theirs[at])
        # A logarithmic axis has no place for an origin that answers at once.
        if at <= 0:
            continue
        if one is None or other is None or obstacle(one, other) is not None:
            left_out.append(at)
            continue
        points.append(SweepPoint(at, _ratios(one.makespans_s, other.makespans_s)))
        celery.append(one.best.cell)
        versus.append(other.best.cell)
    if not points:
        return None
    found = break_even(points, run.plan.margin)
    return Sweep(stage, against, axis, found, tuple(celery), tuple(versus), tuple(left_out))


def _by_place(run: Run, results: tuple[CellResult, ...], axis: Axis) -> dict[float, list[CellResult]]:
    """Place to the cells there that may be compared with each other."""
    found: dict[float, list[CellResult]] = {}
    for result in results:
        found.setdefault(place(run, result.cell, axis), []).append(result)
    return {at: list(eligible(there)) for at, there in found.items()}


def _ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[int, float]:
    """Round to how many times as long Celery took."""
    return {round_: ours[round_] / theirs[round_] for round_ in paired(ours, theirs)}
