"""All that a run tells, put together."""

from __future__ import annotations

from orchestrator.analysis.checks.warnings import warnings
from orchestrator.analysis.scaling.sweep import OF_WORK
from orchestrator.analysis.stats.intervals import makespan, ratio
from orchestrator.analysis.verdicts.comparability import comparable, eligible
from orchestrator.analysis.verdicts.highlights import fastest_cells
from orchestrator.analysis.verdicts.noise import noise_floor
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, contestants, verdicts
from orchestrator.model.findings import Estimate, Findings
from orchestrator.model.runs import Cell, CellResult, Run


def analyse(run: Run) -> Findings:
    """Everything that is concluded from a run; of an incomplete one, whatever its samples allow.

    `makespans` has every cell with a sample. `versus_serial` and `versus_best` are speedups (above 1 the
    cell is faster than its baseline) of cells that may be compared with their baseline (`comparable`).
    """
    makespans = {result.cell: each for result in run.cells if (each := makespan(result)) is not None}
    versus_best = _versus_best(run)
    return Findings(
        makespans=makespans,
        versus_serial=_versus_serial(run),
        versus_best=versus_best,
        fastest=fastest_cells(run, makespans, versus_best),
        verdicts=() if run.plan.axis in OF_WORK else verdicts(run),
        noise_floor=noise_floor(run),
        warnings=warnings(run),
    )


def _versus_serial(run: Run) -> dict[Cell, Estimate]:
    """Each cell's speedup over the serial cell of its own kernel, which itself is exactly 1."""
    serial = {
        (result.cell.stage, result.cell.kernel, result.cell.work): result
        for result in contestants(run.cells, BASELINES["serial"])
    }
    speedups = {}
    for result in run.cells:
        baseline = serial.get((result.cell.stage, result.cell.kernel, result.cell.work))
        if baseline is not None:
            speedups[result.cell] = _speedup(result, baseline)
    return _present(speedups)


def _versus_best(run: Run) -> dict[Cell, Estimate]:
    """Each cell's speedup over the stage's best in-process cell by all rounds, which itself is exactly 1.

    That cell is held up as it was measured, luck included; only a verdict makes good for the picking.
    """
    speedups = {}
    for stage, work in dict.fromkeys((result.cell.stage, result.cell.work) for result in run.cells):
        able = contestants(run.of_work(stage, work), BASELINES["best in-process"])
        best = select_best(eligible(able))
        if best is not None:
            for result in run.of_work(stage, work):
                speedups[result.cell] = _speedup(result, best.best)
    return _present(speedups)


def _speedup(result: CellResult, baseline: CellResult) -> Estimate | None:
    if not comparable(result, baseline):
        return None
    return Estimate(1.0) if result is baseline else ratio(baseline.makespans_s, result.makespans_s)


def _present(estimates: dict[Cell, Estimate | None]) -> dict[Cell, Estimate]:
    return {cell: each for cell, each in estimates.items() if each is not None}
