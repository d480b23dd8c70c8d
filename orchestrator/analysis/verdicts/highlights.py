"""The cells that a report highlights in the table of each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run


def fastest_cells(
    run: Run, makespans: Mapping[Cell, Estimate], versus_best: Mapping[Cell, Estimate]
) -> frozenset[Cell]:
    """Return the fastest cell of each stage and work, with those that tie it.

    Args:
        run: whose cells are compared.
        makespans: of its cells.
        versus_best: the speedup of its cells over the best in-process cell.
    """
    return frozenset(
        cell
        for stage in run.stages
        for work in run.works(stage)
        for cell in fastest(run.of_work(stage, work), makespans, versus_best)
    )


def fastest(
    results: Sequence[CellResult], makespans: Mapping[Cell, Estimate], versus_best: Mapping[Cell, Estimate]
) -> frozenset[Cell]:
    """Return the fastest of cells that did the same work.

    That is the best in-process cell of the verdict, unless a Celery cell beats it by the same paired rounds as
    `versus_best`; without such a speedup the shortest makespan decides. Cells whose makespan is no longer tie.
    """
    able = eligible(results)
    celery = candidates(able, lambda cell: cell.distributed)
    in_process = candidates(able, BASELINES["best in-process"])
    baseline = select_best(in_process)
    best = [*([] if baseline is None else [baseline.best]), *celery]
    speedups = {each.cell: versus_best[each.cell].point for each in best if each.cell in versus_best}
    points = {each.cell: makespans[each.cell].point for each in (*in_process, *celery)}
    if not points:
        return frozenset()
    first = max(speedups, key=speedups.__getitem__) if speedups else min(points, key=points.__getitem__)
    return frozenset(cell for cell, makespan_s in points.items() if makespan_s <= points[first])
