"""Efficiency over the length of a task, a line a strategy, and METG with its interval."""

from __future__ import annotations

from typing import Any, Final

import altair as alt

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.scaling.granularity import Granularity
from orchestrator.model.runs import Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.charts import GRANULARITY_LEGEND
from orchestrator.phrases.granularity import PUBLISHED, TASK_BENCH, granularity_sentence
from orchestrator.phrases.numbers import NONE, interval, level, percent, seconds
from orchestrator.reports.charts.chart import (
    Chart,
    Spec,
    colour,
    columns,
    ends,
    points,
    shape,
    slug,
    tooltips,
    values,
    with_config,
)

HEIGHT_PX: Final = 300
DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])  # cells of one strategy, in turn


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return a chart for each kernel, of a run that swept the work."""
    found = findings.granularities
    return tuple(
        _of_kernel(run, kernel, [each for each in found if each.cell.kernel == kernel])
        for kernel in dict.fromkeys(each.cell.kernel for each in found)
    )


def _of_kernel(run: Run, kernel: str, found: list[Granularity]) -> Chart:
    return Chart(
        name=f"granularity-{slug(kernel)}",
        title=f"How long a task must be: {kernel}",
        short=f"spin, {kernel}",
        legend=GRANULARITY_LEGEND,
        description=f"Efficiency over the length of a task. {granularity_sentence(found[0])}",
        head=("system", "slots", "METG", "interval", "level", "METG per slot", "function's own", "expected"),
        rows=(
            *(_row(run, each) for each in found),
            *(
                (
                    name,
                    str(each.cores),
                    seconds(each.metg_s),
                    NONE,
                    "",
                    seconds(each.metg_s / each.cores),
                    NONE,
                    NONE,
                )
                for each in PUBLISHED
                for name in (f"{each.system} ({TASK_BENCH})",)
            ),
        ),
        spec=_spec(found),
        sentences=tuple(map(granularity_sentence, found)),
    )


def _row(run: Run, found: Granularity) -> tuple[str, ...]:
    metg_s, work_s = found.metg_s, found.work_s
    foretold_s = None if run.preflight is None else run.preflight.overhead_s(found.cell)
    expected_s = None if foretold_s is None else foretold_s * found.threshold / (1 - found.threshold)
    name, slots = cell_name(found.cell), str(found.cell.slots)
    if metg_s is None or work_s is None:
        return (name, slots, found.kind, NONE, "", NONE, NONE, seconds(expected_s))
    per_slot = seconds(metg_s.point / found.cell.slots)
    return (
        *(name, slots, seconds(metg_s.point), interval(metg_s, seconds) or NONE, level(metg_s)),
        *(per_slot, seconds(work_s.point), seconds(expected_s)),
    )


def _spec(found: list[Granularity]) -> Spec:
    names = [cell_name(each.cell) for each in found]
    threshold = found[0].threshold
    data: list[dict[str, Any]] = [
        {
            "name": name,
            "ms": 1000 * point.typical_s[0],
            "share": share.point,
            **ends(share),
            "length": seconds(point.typical_s[0]),
            "efficiency": percent(share.point),
            "interval": interval(share, percent) or NONE,
        }
        for name, each in zip(names, found, strict=True)
        for point in each.points
        if (share := point.efficiency) is not None
    ]
    marks = [
        {
            "name": name,
            "ms": 1000 * each.work_s.point,
            "from": 1000 * (each.work_s.low or each.work_s.point),
            "to": 1000 * (each.work_s.high or each.work_s.point),
            "share": threshold,
        }
        for name, each in zip(names, found, strict=True)
        if each.work_s is not None
    ]
    top = max([1.1, *(each["high"] for each in data)])
    x = alt.X(
        "ms:Q",
        scale=alt.Scale(type="log", nice=False, padding=12),
        axis=alt.Axis(
            title="length of a task in ms, the function alone", format="~r", grid=False, tickCount=6
        ),
    )
    scale = alt.Scale(domain=[0, min(top, 1.2)], nice=False)
    y = alt.Y("share:Q", scale=scale, axis=alt.Axis(title="efficiency", format="~%", gridDash=[2, 3]))
    legend = alt.Legend(
        title=None, orient="top", columns=columns(1, (600, 3)), labelLimit=300, symbolOpacity=1
    )
    paint = alt.Color(
        "name:N",
        scale=alt.Scale(domain=names, range=[colour(each.cell.strategy) for each in found]),
        legend=legend,
    )
    shapes = alt.Shape(
        "name:N",
        scale=alt.Scale(domain=names, range=[shape(each.cell.strategy) for each in found]),
        legend=legend,
    )
    seen: dict[str, int] = {}
    turns = [_turn(seen, each.cell.strategy) for each in found]
    dashes = alt.StrokeDash(
        "name:N",
        scale=alt.Scale(domain=names, range=[DASHES[turn % len(DASHES)] for turn in turns]),
        legend=legend,
    )
    base, metg = alt.Chart(values(data)), alt.Chart(values(marks))
    tooltip = tooltips("name", "length", "efficiency", "interval")
    chart = alt.layer(
        alt.Chart(values([{"share": threshold}])).mark_rule(color=colour("ink"), strokeWidth=1.5).encode(y=y),
        base.mark_line(opacity=0.7, clip=True).encode(x=x, y=y, color=paint, strokeDash=dashes),
        base.mark_rule(strokeWidth=2, clip=True).encode(
            x=x, y=alt.Y("low:Q", scale=scale), y2=alt.Y2("high:Q"), color=paint, tooltip=tooltip
        ),
        points(base, clip=True).encode(x=x, y=y, color=paint, shape=shapes, tooltip=tooltip),
        metg.mark_rule(strokeWidth=7, opacity=0.45).encode(
            x=alt.X("from:Q"), x2=alt.X2("to:Q"), y=y, color=paint
        ),
    )
    return with_config(chart, HEIGHT_PX)


def _turn(seen: dict[str, int], strategy: str) -> int:
    """Return how many cells of a strategy came before."""
    seen[strategy] = seen.get(strategy, -1) + 1
    return seen[strategy]
