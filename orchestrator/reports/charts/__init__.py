"""Charts: Vega-Lite from a run and its findings; a new kind is one new file with a `draw`, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from altair.utils.schemapi import debug_mode

from orchestrator.analysis.analyse import Findings
from orchestrator.model.runs import Run
from orchestrator.reports.charts import (
    breakeven,
    granularity,
    hops,
    load,
    samples,
    scaling,
    speedup,
    task_map,
    verdicts,
)
from orchestrator.reports.charts.chart import Chart, Draw

CHARTS: Final[Mapping[str, Draw]] = {
    "verdicts": verdicts.draw,
    "scaling": scaling.draw,
    "breakeven": breakeven.draw,
    "latency": load.draw,
    "latency_over_time": load.draw_over_time,
    "granularity": granularity.draw,
    "map": task_map.draw,
    "speedup": speedup.draw,
    "hops": hops.draw,
    "samples": samples.draw,
}


def draw_all(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return every chart of a run, in the order of the registry."""
    return tuple(chart for charts in draw_kinds(run, findings).values() for chart in charts)


def draw_kinds(run: Run, findings: Findings) -> Mapping[str, tuple[Chart, ...]]:
    """Return every chart of a run by its kind, in the order of the registry.

    altair's own checks are off: they take as long as everything else, and tests have them on.
    """
    with debug_mode(False):
        return {name: draw(run, findings) for name, draw in CHARTS.items()}
