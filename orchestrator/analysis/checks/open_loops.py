"""Checks of open loops: what disturbed them, and whether the generator kept to its plan."""

from __future__ import annotations

from typing import Final

import numpy as np

from orchestrator.analysis.load import Times
from orchestrator.model.findings import Observation
from orchestrator.model.runs import Run

LATE_S: Final = 0.01  # a generator that sends 5 % of the tasks later than this was held up


def disturbed_loops(run: Run) -> Observation | None:
    """Warn of open loops that something disturbed; their latencies count all the same."""
    found = [(each.cell, sample) for each in run.cells for sample in each.open_loops if sample.disturbed]
    if not found:
        return None
    cell, first = found[0]
    lost = sum(sample.lost for _, sample in found)
    return Observation(
        "open loops disturbed",
        {"samples": len(found), "first": cell, "cause": first.disturbed, "lost": lost},
    )


def late_generator(run: Run) -> Observation | None:
    """Warn if the generator sent many tasks of a cell late."""
    worst, of = 0.0, None
    for result in run.cells:
        lags = [Times.of(each.trace).lag for each in result.open_loops if each.trace is not None]
        sent = np.concatenate(lags) if lags else np.empty(0)
        sent = sent[np.isfinite(sent)]
        late = float(np.quantile(sent, 0.95)) if len(sent) else 0.0
        if late > worst:
            worst, of = late, result.cell
    return None if worst <= LATE_S else Observation("late generator", {"cell": of, "late_s": worst})
