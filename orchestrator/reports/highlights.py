"""Which rows of a stage's table to hold up."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, contestants
from orchestrator.model.findings import Findings
from orchestrator.model.runs import Cell, CellResult


def fastest(findings: Findings, results: Iterable[CellResult]) -> frozenset[Cell]:
    """The fastest of a stage's cells that did the same work, and what took no longer by the makespans shown.

    That is the verdict's best in-process cell, or a Celery cell that is faster by the same paired rounds as the
    column of speedups over it; by the makespan where there is no such column.
    """
    able = eligible(results)
    celery = contestants(able, lambda cell: cell.distributed)
    in_process = contestants(able, BASELINES["best in-process"])
    baseline = select_best(in_process)
    best = [*([] if baseline is None else [baseline.best]), *celery]
    speedups = {
        each.cell: findings.versus_best[each.cell].point for each in best if each.cell in findings.versus_best
    }
    makespans = {each.cell: findings.makespans[each.cell].point for each in (*in_process, *celery)}
    if not makespans:
        return frozenset()
    first = max(speedups, key=speedups.__getitem__) if speedups else min(makespans, key=makespans.__getitem__)
    return frozenset(cell for cell, makespan_s in makespans.items() if makespan_s <= makespans[first])
