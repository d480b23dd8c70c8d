"""Throughput over slots: a curve for each way to do a stage, its law and bounds, and the COST."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import median
from types import MappingProxyType
from typing import Final

from orchestrator.analysis.queueing.service_demands import Bounds, Demands, bounds, cores_by_machine
from orchestrator.analysis.scaling.ceiling import Ceiling, ceilings
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.analysis.scaling.usl import Refusal, Scalability, fit
from orchestrator.analysis.stats.intervals import ratio, throughput
from orchestrator.analysis.verdicts.comparability import comparable, eligible
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run

NO_COSTS: Final[Mapping[str, Sequence[Cost]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ScalingPoint:
    """Throughput on one number of slots, and the speedup over the serial cell of the same kernel."""

    cell: Cell
    throughput_per_s: Estimate
    speedup: Estimate | None

    @property
    def slots(self) -> int:
        """The number of slots."""
        return self.cell.slots


@dataclass(frozen=True, slots=True)
class ScalingCurve:
    """Cells that differ in slots only, the fewest slots first."""

    points: tuple[ScalingPoint, ...]
    law: Scalability | Refusal
    bounds: Bounds | None  # a Celery curve's at the most slots measured, if there are station times

    @property
    def cell(self) -> Cell:
        """The cell with the fewest slots."""
        return self.points[0].cell


@dataclass(frozen=True, slots=True)
class ScalingFindings:
    """Everything that a run shows about slots."""

    curves: tuple[ScalingCurve, ...]
    ceilings: tuple[Ceiling, ...]
    other_load: float | None  # beside which no bound is stated
    costs: tuple[Cost, ...]
    uneven_slots: Mapping[
        str, tuple[int, ...]
    ]  # by stage, those among which the batch does not divide evenly

    def curves_of(self, stage: str) -> tuple[ScalingCurve, ...]:
        """Return the stage's curves, in the plan's order."""
        return tuple(curve for curve in self.curves if curve.cell.stage == stage)

    def ceilings_of(self, stage: str) -> tuple[Ceiling, ...]:
        """Return the ceiling of each kind of Celery cell of the stage."""
        return tuple(each for each in self.ceilings if each.cell.stage == stage)

    def costs_of(self, stage: str) -> tuple[Cost, ...]:
        """Return the stage's COST against each baseline."""
        return tuple(cost for cost in self.costs if cost.stage == stage)


def scaling(run: Run, demands: Demands, costs: Mapping[str, Sequence[Cost]] = NO_COSTS) -> ScalingFindings:
    """Analyse each series of cells measured on several numbers of slots, and take the COST of its stages."""
    series: dict[Cell, list[CellResult]] = {}
    for result in run.cells:
        if not result.cell.replica:
            series.setdefault(replace(result.cell, slots=0), []).append(result)
    curves = tuple(
        _curve(run, results, demands) for each in series.values() if len(results := eligible(each)) > 1
    )
    stages = dict.fromkeys(curve.cell.stage for curve in curves if curve.cell.distributed)
    measured = [each for curve in curves if (each := demands(curve.cell)) is not None]
    return ScalingFindings(
        curves=curves,
        ceilings=ceilings(run, demands) if curves else (),
        other_load=next((each.other_load for each in measured), None),
        costs=tuple(cost for stage in stages for cost in costs.get(stage, ())),
        uneven_slots=_uneven_slots(run, curves),
    )


def _uneven_slots(run: Run, curves: Sequence[ScalingCurve]) -> dict[str, tuple[int, ...]]:
    found: dict[str, set[int]] = {}
    for cell in (point.cell for curve in curves for point in curve.points):
        if ceil(run.plan.images / (cell.chunk or 1)) % cell.slots:
            found.setdefault(cell.stage, set()).add(cell.slots)
    return {stage: tuple(sorted(slots)) for stage, slots in found.items()}


def servable_slots(results: Sequence[CellResult], run: Run) -> float | None:
    """Return how many slots the cores can run at once: cores over the share of its time that a task computes.

    That share is the time not spent waiting within the kernel (wall less CPU seconds), at the fewest slots, where
    nothing waits for a core yet. `None` if no cores are known. A machine with a small share of a core still counts as
    one slot, which is as slow alone as it is beside those of other machines.
    """
    fewest = min(results, key=lambda each: each.cell.slots)
    machines = cores_by_machine(run) if fewest.cell.distributed else (run.environment.cpu.usable,)
    if not machines:
        return None
    waits = [
        each.tasks
        * max(0.0, each.hops.compute_s - each.hops.compute_cpu_s)
        / (min(fewest.cell.slots, each.tasks) * each.makespan_s)
        for each in fewest.samples
        if each.hops is not None
    ]
    share = 1 - min(1.0, median(waits)) if waits else 1.0
    return sum(max(1.0, cores / max(share, 1e-6)) for cores in machines)


def _curve(run: Run, results: Sequence[CellResult], demands: Demands) -> ScalingCurve:
    ordered = sorted(results, key=lambda each: each.cell.slots)
    throughputs = {
        each.cell.slots: {s.round: s.throughput_per_s for s in each.samples if s.ok} for each in ordered
    }
    measured = demands(ordered[0].cell) if ordered[0].cell.distributed else None
    return ScalingCurve(
        points=tuple(_point(run, each) for each in ordered),
        law=fit(throughputs, servable_slots(ordered, run), run.plan.margin),
        bounds=None if measured is None else bounds(measured, ordered[-1].cell.slots),
    )


def _point(run: Run, result: CellResult) -> ScalingPoint:
    cell, found = result.cell, throughput(result)
    serial = [
        each
        for each in candidates(run.of_work(cell.stage, cell.work), BASELINES["serial"])
        if each.cell.kernel == cell.kernel and comparable(each, result)
    ]
    return ScalingPoint(
        cell,
        Estimate(0.0) if found is None else found,
        ratio(serial[0].makespans_s, result.makespans_s) if serial else None,
    )
