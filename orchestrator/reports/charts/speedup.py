"""The speedup of every cell of a stage over serial work."""

from __future__ import annotations

from orchestrator.analysis.analyse import Findings
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.charts import speedup_caption, speedup_description, speedup_legend
from orchestrator.phrases.numbers import exact_level, ratio_interval, seconds, times
from orchestrator.reports.charts.chart import (
    Chart,
    Row,
    Spec,
    colour,
    ends,
    grouped,
    named,
    ratio_rows,
    ratio_text,
    shape,
    slug,
)


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return a chart for each stage with cells that have a speedup."""
    charts = (_of_stage(run, findings, stage) for stage in run.stages)
    return tuple(chart for chart in charts if chart is not None)


def _of_stage(run: Run, findings: Findings, stage: str) -> Chart | None:
    cells = [result.cell for result in run.of_stage(stage)]
    versus_serial = any(cell in findings.versus_serial for cell in cells)
    speedups = findings.versus_serial if versus_serial else findings.versus_best
    shown = {cell: speedups[cell] for cell in cells if cell in speedups}
    if not shown:
        return None
    return Chart(
        name=f"speedup-{slug(stage)}",
        title=f"Speedup in {run.subject(stage)}",
        short=run.subject(stage),
        legend=speedup_legend(run.plan.margin),
        caption=speedup_caption(versus_serial, [cell for cell in cells if cell not in shown]),
        description=speedup_description(run.subject(stage), versus_serial, shown),
        head=("kernel", "cell", "speedup", "interval", "level"),
        rows=tuple(
            (*names, times(shown[cell]), ratio_interval(shown[cell]), exact_level(shown[cell]))
            for cell, names in named(shown).items()
        ),
        spec=_spec(
            shown, findings, f"← slower · {'serial' if versus_serial else 'in-process'} = 1 · faster →"
        ),
    )


def _spec(shown: dict[Cell, Estimate], findings: Findings, title: str) -> Spec:
    rows = {cell: Row(*names, times(shown[cell])) for cell, names in named(shown).items()}
    makespans = {cell: each.point for cell, each in findings.makespans.items()}
    data = [
        {
            "row": rows[cell].key,
            "ratio": each.point,
            **ends(each),
            "colour": colour(cell.strategy),
            "shape": shape(cell.strategy),
            "cell": cell_name(cell, "long"),
            **ratio_text(each),
            "makespan": seconds(makespans.get(cell)),
            "versus in-process": times(findings.versus_best.get(cell)),
        }
        for cell, each in shown.items()
    ]
    fields = ("cell", "times", "interval", "makespan", "versus in-process")
    return ratio_rows(data, grouped(rows.values()), title, findings.run.plan.margin, *fields)
