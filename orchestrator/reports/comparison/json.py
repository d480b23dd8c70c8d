"""JSON, for programs: everything that was concluded, with the evidence."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from orchestrator.analysis.checks.warnings import disturbances
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.analysis.verdicts.regressions import Change, Comparison
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases import comparison as words

SCHEMA = 1


def render(comparison: Comparison, old: Run, new: Run) -> str:
    """The comparison as one JSON document; `ratio` is new over old, a missing value is `null`."""
    return json.dumps(to_json(comparison, old, new), indent=1, allow_nan=False) + "\n"


def to_json(comparison: Comparison, old: Run, new: Run) -> dict[str, Any]:
    """The document's content."""
    olds, news = ({result.cell: result for result in run.cells} for run in (old, new))
    across = bool(comparison.differences)
    return {
        "schema": SCHEMA,
        "old": comparison.old,
        "new": comparison.new,
        "same_run": old == new,
        "regression": comparison.regression,
        "across": across,
        "differences": list(comparison.differences),
        "threshold": comparison.threshold,
        "threshold_source": words.threshold_source(old, new),
        "shift": comparison.shift,
        "changes": [_change(each, across, olds[each.cell], news[each.cell]) for each in comparison.changes],
        "disturbances": {
            which: [asdict(warning) for warning in disturbances(run)]
            for which, run in (("old", old), ("new", new))
        },
        "only_old": [asdict(cell) for cell in comparison.only_old],
        "only_new": [asdict(cell) for cell in comparison.only_new],
    }


def _change(each: Change, across: bool, old: CellResult, new: CellResult) -> dict[str, Any]:
    return {
        **asdict(each.cell),
        "change": each.change,
        "across": across,
        "ratio": _estimate(each.ratio),
        "old_makespan_s": _estimate(makespan(old)),
        "new_makespan_s": _estimate(makespan(new)),
        "reason": each.reason,
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None else asdict(estimate)
