"""Everything that is concluded from a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from orchestrator.analysis.answer import answer
from orchestrator.analysis.checks import warnings
from orchestrator.analysis.function import FunctionFindings, function_findings
from orchestrator.analysis.hops import HopLedger, hop_ledger
from orchestrator.analysis.load import LoadRow, load_rows
from orchestrator.analysis.queueing.service_demands import Demands, demands_of
from orchestrator.analysis.scaling.cost import Cost, costs
from orchestrator.analysis.scaling.curves import ScalingFindings, scaling
from orchestrator.analysis.scaling.granularity import Granularity, granularities
from orchestrator.analysis.scaling.sweep import OF_WORK, Sweep, SweepLimit, distinct, sweep_limits, sweeps
from orchestrator.analysis.scaling.task_map import TaskMap, task_maps
from orchestrator.analysis.stats.intervals import makespan, ratio, throughput
from orchestrator.analysis.verdicts.comparability import comparable, eligible, noise_floor
from orchestrator.analysis.verdicts.noise import dependence, other_load, step_change
from orchestrator.analysis.verdicts.recommendations import Advice, EventsCost, advice, events_costs
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates, is_celery, verdicts
from orchestrator.model.findings import (
    Answer,
    Dependence,
    Estimate,
    Observation,
    OtherLoad,
    StepChange,
    Verdict,
)
from orchestrator.model.runs import Cell, CellResult, Run

WITHOUT_VERDICTS: Final = (*OF_WORK, "rate")


@dataclass(frozen=True)
class Findings:
    """What follows from a run alone; each finding is computed when it is first read, and only once.

    Of an incomplete run there is whatever its samples allow. Speedups above 1 mean that the cell is faster than
    its baseline; only cells that may be compared with it (`comparable`) have one.
    """

    run: Run

    @cached_property
    def makespans(self) -> dict[Cell, Estimate]:
        """Seconds of every cell that has a sample."""
        return _known({result.cell: makespan(result) for result in self.run.cells})

    @cached_property
    def throughputs(self) -> dict[Cell, Estimate]:
        """Tasks a second of every cell that completed some."""
        return _known({result.cell: throughput(result) for result in self.run.cells})

    @cached_property
    def versus_serial(self) -> dict[Cell, Estimate]:
        """Each cell's speedup over the serial cell of its own kernel, which itself is exactly 1."""
        serial = {
            (result.cell.stage, result.cell.kernel, result.cell.work): result
            for result in candidates(self.run.cells, BASELINES["serial"])
        }
        speedups = {}
        for result in self.run.cells:
            baseline = serial.get((result.cell.stage, result.cell.kernel, result.cell.work))
            if baseline is not None:
                speedups[result.cell] = _speedup(result, baseline)
        return _known(speedups)

    @cached_property
    def versus_best(self) -> dict[Cell, Estimate]:
        """Each cell's speedup over the stage's best in-process cell by all rounds, which itself is exactly 1.

        That cell is the one with the best measured times, luck included; only a verdict corrects for selection.
        """
        speedups = {}
        for stage, work in dict.fromkeys((each.cell.stage, each.cell.work) for each in self.run.cells):
            results = self.run.of_work(stage, work)
            best = select_best(eligible(candidates(results, BASELINES["best in-process"])))
            if best is not None:
                speedups.update({result.cell: _speedup(result, best.best) for result in results})
        return _known(speedups)

    @cached_property
    def fastest(self) -> frozenset[Cell]:
        """The fastest cell of each stage and work, with those that tie it."""
        return frozenset(
            cell
            for stage in self.run.stages
            for work in self.run.works(stage)
            for cell in fastest_cells(self.run.of_work(stage, work), self.makespans, self.versus_best)
        )

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts of every stage; a sweep of the work or of the arrival rate has none."""
        return () if self.run.plan.axis in WITHOUT_VERDICTS else verdicts(self.run)

    @property
    def distinct_verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts, each opponent once: a serial cell may also be the best in-process one."""
        best = {(each.celery, each.versus) for each in self.verdicts if each.against == "best in-process"}
        return tuple(
            each
            for each in self.verdicts
            if each.against == "best in-process"
            or each.versus is None
            or (each.celery, each.versus) not in best
        )

    @cached_property
    def answer(self) -> Answer:
        """What to use for each stage, whether Celery pays in it, and from how many slots elsewhere it would."""
        return answer(self.run, self.verdicts, self.costs, self.hop_ledgers, self.demands)

    @cached_property
    def demands(self) -> Demands:
        """What a task of each Celery cell needs of each station, computed once for all slots of a cell."""
        return demands_of(self.run)

    @cached_property
    def costs(self) -> dict[str, tuple[Cost, ...]]:
        """The COST of every stage against each baseline; a sweep of the work or of the arrival rate has none."""
        if self.run.plan.axis in WITHOUT_VERDICTS:
            return {}
        return {stage: costs(self.run, stage, self.demands) for stage in self.run.stages}

    @cached_property
    def noise_floor(self) -> Estimate | None:
        """How far a cell differs from itself."""
        return noise_floor(self.run)

    @cached_property
    def dependence(self) -> Dependence | None:
        """How much the rounds depend on each other."""
        return dependence(self.run)

    @cached_property
    def step_change(self) -> StepChange | None:
        """The round from which everything took longer, or less long."""
        return step_change(self.run)

    @cached_property
    def other_load(self) -> OtherLoad | None:
        """What other processes took of the machine."""
        return other_load(self.run)

    @cached_property
    def smallest_difference(self) -> float | None:
        """The difference that 8 of 10 such runs would find in every stage, as a share; `None` without a verdict."""
        return max((each.smallest for each in self.verdicts if each.smallest is not None), default=None)

    @cached_property
    def warnings(self) -> tuple[Observation, ...]:
        """What weakens the figures."""
        return warnings(self.run)

    @cached_property
    def hop_ledgers(self) -> dict[Cell, HopLedger]:
        """Where the time of a task goes, for every cell whose samples have hops."""
        ledgers = {result.cell: hop_ledger(result) for result in self.run.cells}
        return {cell: each for cell, each in ledgers.items() if each is not None}

    @cached_property
    def scaling(self) -> ScalingFindings:
        """Curves over slots, and the COST of each stage that has one."""
        return scaling(self.run, self.demands, self.costs)

    @cached_property
    def sweeps(self) -> tuple[Sweep, ...]:
        """Where Celery wins along a swept axis; empty without one."""
        return sweeps(self.run)

    @cached_property
    def granularities(self) -> tuple[Granularity, ...]:
        """How long a task must be for each cell with several slots; empty unless the work was swept."""
        return granularities(self.run)

    @cached_property
    def task_maps(self) -> tuple[TaskMap, ...]:
        """What finishes a batch first, by the length of a task and the slots on other machines."""
        return task_maps(self.run, self.granularities, self.demands)

    @cached_property
    def sweep_limits(self) -> tuple[SweepLimit, ...]:
        """What limits Celery in each swept stage, at the lowest value of the sweep."""
        return sweep_limits(distinct(self.sweeps), self.demands)

    @cached_property
    def load(self) -> tuple[LoadRow, ...]:
        """What tasks saw at each arrival rate; empty for a run that timed batches."""
        return load_rows(self.run)

    @cached_property
    def advice(self) -> dict[str, Advice]:
        """What limits Celery in each stage, and which changes were measured to save time."""
        found = {
            stage: advice(self.run, stage, self.demands, self.costs.get(stage, ()))
            for stage in self.run.stages
        }
        return {stage: each for stage, each in found.items() if each is not None}

    @cached_property
    def function(self) -> FunctionFindings | None:
        """How long all inputs of a user's function would take by each row; `None` without one."""
        elsewhere = [each.wins_from_slots_elsewhere for each in self.answer.stages]
        return function_findings(self.run, next(iter(elsewhere), None))

    @cached_property
    def events_costs(self) -> tuple[EventsCost, ...]:
        """What task events cost in each stage that was measured with and without them."""
        return events_costs(self.run)


def analyse(run: Run) -> Findings:
    """Return everything that is concluded from a run."""
    return Findings(run)


def _speedup(result: CellResult, baseline: CellResult) -> Estimate | None:
    if not comparable(result, baseline):
        return None
    return Estimate(1.0) if result is baseline else ratio(baseline.makespans_s, result.makespans_s)


def _known(estimates: dict[Cell, Estimate | None]) -> dict[Cell, Estimate]:
    return {cell: each for cell, each in estimates.items() if each is not None}


def fastest_cells(
    results: Sequence[CellResult], makespans: Mapping[Cell, Estimate], versus_best: Mapping[Cell, Estimate]
) -> frozenset[Cell]:
    """Return the fastest of cells that did the same work, with those that tie it.

    That is the best in-process cell of the verdict, unless a Celery cell beats it by the same paired rounds as
    `versus_best`; without such a speedup the shortest makespan decides. Cells whose makespan is no longer tie.
    """
    able = eligible(results)
    celery = candidates(able, is_celery)
    in_process = candidates(able, BASELINES["best in-process"])
    baseline = select_best(in_process)
    best = [*([] if baseline is None else [baseline.best]), *celery]
    speedups = {each.cell: versus_best[each.cell].point for each in best if each.cell in versus_best}
    points = {each.cell: makespans[each.cell].point for each in (*in_process, *celery)}
    if not points:
        return frozenset()
    first = max(speedups, key=speedups.__getitem__) if speedups else min(points, key=points.__getitem__)
    return frozenset(cell for cell, makespan_s in points.items() if makespan_s <= points[first])
