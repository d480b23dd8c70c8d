"""Tasks per second by number of slots: measured points, the fitted law, the bound and the COST."""

from __future__ import annotations

from math import ceil
from typing import Any, Final

import altair as alt

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.analysis.scaling.curves import ScalingCurve, ScalingFindings
from orchestrator.analysis.scaling.usl import Scalability
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.charts import SCALING_LEGEND
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.numbers import NONE, exact_level, interval, listed, number, times
from orchestrator.phrases.scaling import curve_sentences, gains_sentence
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

HEIGHT_PX: Final = 320
EXTRAPOLATION: Final = 1.5  # the law is drawn up to this many times the most slots measured
STEPS: Final = 40
LINE_PX: Final = 16


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return a chart for each stage, of a run that swept the slots."""
    if run.plan.axis != "slots":
        return ()
    found = findings.scaling
    stages = dict.fromkeys(curve.cell.stage for curve in found.curves)
    return tuple(_of_stage(found, stage, run.subject(stage)) for stage in stages)


def _of_stage(found: ScalingFindings, stage: str, subject: str) -> Chart:
    curves = found.curves_of(stage)
    costs = found.costs_of(stage)
    said = (*cost_sentences(costs), *curve_sentences(curves))
    sentences = [f"{text[0].upper()}{text[1:]}" for text in said]
    return Chart(
        name=f"scaling-{slug(stage)}",
        title=f"What more slots do in {subject}",
        short=subject,
        legend=SCALING_LEGEND,
        description=f"Tasks per second by number of slots in {subject}, {gains_sentence(curves)}",
        head=("cell", "slots", "tasks/s", "interval", "level", "vs serial"),
        rows=tuple(
            (
                cell_name(point.cell, "long"),
                str(point.slots),
                number(point.throughput_per_s.point),
                interval(point.throughput_per_s) or NONE,
                exact_level(point.throughput_per_s),
                times(point.speedup),
            )
            for curve in curves
            for point in curve.points
        ),
        # The curves are about this fleet.
        spec=_spec(curves, [each for each in costs if not each.elsewhere]),
        sentences=tuple(dict.fromkeys(sentences)),
    )


def _spec(curves: tuple[ScalingCurve, ...], costs: list[Cost]) -> Spec:
    most = max(point.slots for curve in curves for point in curve.points)
    end = ceil(most * EXTRAPOLATION) if any(isinstance(curve.law, Scalability) for curve in curves) else most
    data: list[dict[str, Any]] = [
        {
            "family": _family(point.cell),
            "slots": point.slots,
            "rate": point.throughput_per_s.point,
            **ends(point.throughput_per_s),
            "cell": cell_name(point.cell, "long"),
            "tasks per second": number(point.throughput_per_s.point),
            "interval": interval(point.throughput_per_s) or NONE,
            "vs serial": times(point.speedup),
        }
        for curve in curves
        for point in curve.points
    ]
    top = 1.15 * max(each["high"] for each in data)
    x = alt.X(
        "slots:Q",
        scale=alt.Scale(domain=[0.7, end + 0.3], nice=False),
        axis=alt.Axis(title="slots", format="d", tickMinStep=1, grid=False),
    )
    scale = alt.Scale(domain=[0, top], nice=True)
    y = alt.Y("rate:Q", scale=scale, axis=alt.Axis(title="tasks per second", gridDash=[2, 3]))
    families = {curve.cell: _family(curve.cell) for curve in curves}
    colours = [colour(cell.strategy) for cell in families]
    legend = alt.Legend(
        title=None, orient="top", columns=columns(1, (600, 3)), labelLimit=300, symbolOpacity=1
    )
    paint = alt.Color(
        "family:N", scale=alt.Scale(domain=list(families.values()), range=colours), legend=legend
    )
    shapes = alt.Scale(domain=list(families.values()), range=[shape(cell.strategy) for cell in families])
    base = alt.Chart(values(data))
    law = alt.Chart(values([datum for curve in curves for datum in _law(curve, end, top)]))
    linear = alt.Chart(values([datum for curve in curves for datum in _linear(curve, end, top)]))
    bound = alt.Chart(values([datum for curve in curves for datum in _ceiling(curve, top)]))
    marks = _costs(costs, end)
    cost = alt.Chart(values(marks))
    tooltip = tooltips("cell", "slots", "tasks per second", "interval", "vs serial")
    chart = alt.layer(
        law.mark_area(opacity=0.16).encode(
            x=x, y=alt.Y("low:Q", scale=scale), y2=alt.Y2("high:Q"), color=paint
        ),
        linear.mark_line(strokeDash=[4, 4], opacity=0.6, clip=True).encode(x=x, y=y, color=paint),
        bound.mark_rule(strokeDash=[8, 3], strokeWidth=1.5).encode(y=y, color=paint),
        bound.mark_text(align="right", baseline="bottom", dy=-3, x="width").encode(
            y=y, text=alt.Text("name:N")
        ),
        law.mark_line(strokeWidth=3).encode(x=x, y=y, color=paint),
        base.mark_line(strokeWidth=1, opacity=0.7).encode(x=x, y=y, color=paint),
        base.mark_rule(strokeWidth=2.5, strokeCap="round").encode(
            x=x, y=alt.Y("low:Q", scale=scale), y2=alt.Y2("high:Q"), color=paint, tooltip=tooltip
        ),
        points(base).encode(
            x=x, y=y, color=paint, shape=alt.Shape("family:N", scale=shapes, legend=legend), tooltip=tooltip
        ),
        cost.mark_rule(color=colour("celery"), strokeWidth=2).encode(x=x),
        *(
            _label(mark, number, end).encode(x=x, text=alt.Text("name:N"))
            for number, mark in enumerate(marks)
        ),
    )
    return with_config(chart, HEIGHT_PX)


def _label(mark: dict[str, Any], line: int, end: int) -> alt.Chart:
    """Return the text beside the line of a COST: inside the chart, and not over another."""
    left = mark["slots"] <= (end + 1) / 2
    label: alt.Chart = alt.Chart(values([mark])).mark_text(
        align="left" if left else "right",
        dx=5 if left else -5,
        y=4 + LINE_PX * line,
        baseline="top",
        fontWeight="bold",
    )
    return label


def _family(cell: Cell) -> str:
    """Return the name that the points of a curve share: that of a cell without its slots."""
    return cell_name(cell, "long").rsplit(",", 1)[0]


def _law(curve: ScalingCurve, end: float, top: float) -> list[dict[str, Any]]:
    # The sentences give the law of Celery's curves alone.
    if not isinstance(curve.law, Scalability) or not curve.cell.distributed:
        return []
    data = []
    for step in range(STEPS + 1):
        slots = 1 + (end - 1) * step / STEPS
        each = curve.law.throughput_per_s(slots)
        band = {end: min(top, rate) for end, rate in ends(each).items()}
        data.append({"family": _family(curve.cell), "slots": round(slots, 3), "rate": each.point, **band})
    return data


def _linear(curve: ScalingCurve, end: float, top: float) -> list[dict[str, Any]]:
    first = curve.points[0]
    one = first.throughput_per_s.point / first.slots
    furthest = min(end, top / one) if one > 0 else end
    return [
        {"family": _family(curve.cell), "slots": slots, "rate": one * slots}
        for slots in (first.slots, furthest)
        if furthest > first.slots
    ]


def _ceiling(curve: ScalingCurve, top: float) -> list[dict[str, Any]]:
    if curve.bounds is None or curve.bounds.ceiling_per_s.point > top:
        return []
    ceiling = curve.bounds.ceiling_per_s.point
    return [
        {
            "rate": ceiling,
            "family": _family(curve.cell),
            "name": f"by the model, about {number(ceiling)} tasks/s",
        }
    ]


def _costs(costs: list[Cost], end: int) -> list[dict[str, Any]]:
    beaten: dict[int, list[str]] = {}
    for each in costs:
        if each.slots is not None and each.slots.point <= end:
            beaten.setdefault(round(each.slots.point), []).append(each.against)
    return [{"slots": slots, "name": f"COST: {slots} vs {listed(names)}"} for slots, names in beaten.items()]
