"""Which row of a stage's table to hold up."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.analysis.comparable import standing
from orchestrator.judgements import Findings
from orchestrator.model import Cell, CellResult


def fastest(findings: Findings, results: Iterable[CellResult]) -> Cell | None:
    """The fastest of a stage's cells that did the same work, Celery's among them.

    By the same paired rounds as the column of speedups over the best in-process cell, lest the row that is
    held up says that another is faster; by the makespan where there is no such column.
    """
    able = [result.cell for result in standing(results)]
    speedups = {cell: findings.versus_best[cell].point for cell in able if cell in findings.versus_best}
    if speedups:
        return max(speedups, key=lambda cell: speedups[cell])
    makespans = {cell: findings.makespans[cell].point for cell in able if cell in findings.makespans}
    return min(makespans, key=lambda cell: makespans[cell], default=None)
