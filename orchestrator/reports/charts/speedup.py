"""The speedup of every cell of a stage over serial, with its interval."""

from __future__ import annotations

from typing import Any

import altair as alt

from orchestrator.model.findings import Estimate, Findings
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import interval, level, seconds, times
from orchestrator.reports.charts.chart import (
    ROW_PX,
    Drawing,
    Row,
    Spec,
    colour,
    config,
    figures_axis,
    grouped,
    named,
    names_axis,
    ratio_axis,
    ratio_domain,
    shape,
    slug,
    values,
    y,
)


def draw(run: Run, findings: Findings) -> tuple[Drawing, ...]:
    """A chart a stage, of its cells that have a speedup."""
    drawings = (_of_stage(run, findings, stage) for stage in run.stages)
    return tuple(each for each in drawings if each is not None)


def _of_stage(run: Run, findings: Findings, stage: str) -> Drawing | None:
    cells = [result.cell for result in run.of_stage(stage)]
    speedups, one, baseline = findings.versus_serial, "serial", "serial work with the same kernel"
    if not any(cell in speedups for cell in cells):
        speedups, one, baseline = findings.versus_best, "best", "the stage's best in-process cell"
    shown = {cell: speedups[cell] for cell in cells if cell in speedups}
    if not shown:
        return None
    best = max(shown, key=lambda cell: shown[cell].point)
    caption = "" if one == "serial" else f"No serial cell was measured: held against {baseline}."
    if left_out := [cell_name(cell, "long") for cell in cells if cell not in shown]:
        caption += f" Not shown, for want of a figure that may stand: {'; '.join(left_out)}."
    return Drawing(
        name=f"speedup-{slug(stage)}",
        title=f"Speedup in {stage}",
        short=stage,
        legend=_legend(findings),
        caption=caption.strip(),
        description=f"Speedup in {stage} over {baseline}, {len(shown)} cells. "
        f"Largest: {cell_name(best, 'long')} at {times(shown[best])}. "
        f"{_celery(shown)}",
        head=("kernel", "cell", "speedup", "interval", "level"),
        rows=tuple(
            (*names, times(shown[cell]), interval(shown[cell]), level(shown[cell]))
            for cell, names in named(shown).items()
        ),
        spec=_spec(shown, findings, f"← slower · {one} = 1 · faster →"),
    )


def _legend(findings: Findings) -> str:
    text = (
        "How many times as fast each cell is as serial work with the same kernel, on a logarithmic scale: right "
        "of the line is faster, the bar is its interval."
    )
    if noise(findings) is None:
        return text
    return f"{text} Shaded: what the same cell, measured twice, differs from itself; nothing within it means much."


def _celery(shown: dict[Cell, Estimate]) -> str:
    distributed = [cell for cell in shown if cell.distributed]
    if not distributed:
        return "No Celery cell."
    best = max(distributed, key=lambda cell: shown[cell].point)
    return f"Celery's best: {cell_name(best, 'long')} at {times(shown[best])}."


def noise(findings: Findings) -> tuple[float, float] | None:
    """How far either way the A/A pair says that a cell may differ from itself."""
    floor = findings.noise_floor
    if floor is None:
        return None
    ends = (floor.low or floor.point, floor.high or floor.point, floor.point)
    furthest = max(max(each, 1 / each) for each in ends)
    return 1 / furthest, furthest


def _spec(shown: dict[Cell, Estimate], findings: Findings, title: str) -> Spec:
    keys = {cell: Row(*names, times(shown[cell])) for cell, names in named(shown).items()}
    rows = grouped(keys.values())
    ends = [end for each in shown.values() for end in (each.low, each.high, each.point) if end]
    band = noise(findings)
    low, high = ratio_domain(ends)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    x = alt.X(
        "speedup:Q",
        scale=scale,
        axis=ratio_axis(title, low, high),
    )
    data = values([_datum(cell, each, keys[cell].key, findings) for cell, each in shown.items()])
    base = alt.Chart(data)
    paint = alt.Color("colour:N", scale=None)
    tooltip = [alt.Tooltip(f"{name}:N") for name in ("cell", "times", "interval", "makespan", "versus best")]
    layers: list[Any] = []
    if band is not None:
        shade = values([{"from": max(band[0], low), "to": min(band[1], high)}])
        mark = alt.Chart(shade).mark_rect(color=colour("band"), opacity=1)
        layers.append(mark.encode(x=alt.X("from:Q", scale=scale), x2="to:Q"))
    line = alt.Chart(values([{"speedup": 1}])).mark_rule(color=colour("ink"), strokeWidth=1.5)
    layers.append(line.encode(x=x))
    intervals = base.mark_rule(strokeWidth=2.5, strokeCap="round")
    layers.append(
        intervals.encode(x="low:Q", x2="high:Q", y=y(rows, figures_axis()), color=paint, tooltip=tooltip)
    )
    points = base.mark_point(filled=True, size=95, opacity=1, stroke=colour("paper"), strokeWidth=1)
    layers.append(
        points.encode(
            x=x,
            y=y(rows, names_axis(rows)),
            color=paint,
            shape=alt.Shape("shape:N", scale=None),
            tooltip=tooltip,
        )
    )
    chart = alt.layer(*layers).resolve_axis(y="independent").properties(height=ROW_PX * len(rows))
    return {**chart.to_dict(), "config": config()}


def _datum(cell: Cell, speedup: Estimate, key: str, findings: Findings) -> dict[str, Any]:
    makespan = findings.makespans.get(cell)
    return {
        "row": key,
        "speedup": speedup.point,
        "low": speedup.low or speedup.point,
        "high": speedup.high or speedup.point,
        "colour": colour(cell.strategy),
        "shape": shape(cell.strategy),
        "cell": cell_name(cell, "long"),
        "times": times(speedup),
        "interval": f"{interval(speedup)} ({level(speedup)})" if interval(speedup) else "none",
        "makespan": seconds(makespan.point if makespan else None),
        "versus best": times(findings.versus_best.get(cell)),
    }
