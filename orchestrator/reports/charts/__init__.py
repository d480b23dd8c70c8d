"""Charts: specifications as pure functions of a run and its findings, a file a chart.

`CHARTS` is the registry: a new chart is one new file and one line here. Each draws as much as the findings
hold for it, and nothing where they hold nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestrator.model.findings import Findings
from orchestrator.model.runs import Run
from orchestrator.reports.charts import breakeven, hops, samples, scaling, speedup, verdicts
from orchestrator.reports.charts.chart import Draw, Drawing

CHARTS: Final[Mapping[str, Draw]] = {
    "verdicts": verdicts.draw,
    "scaling": scaling.draw,
    "breakeven": breakeven.draw,
    "speedup": speedup.draw,
    "hops": hops.draw,
    "samples": samples.draw,
}


def drawings(run: Run, findings: Findings) -> tuple[Drawing, ...]:
    """Every chart of a run, in the registry's order."""
    return tuple(drawing for draw in CHARTS.values() for drawing in draw(run, findings))
