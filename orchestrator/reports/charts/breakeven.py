"""Celery's speed along a swept axis, and where it passes its opponent's."""

from __future__ import annotations

from math import sqrt
from typing import Any, Final

import altair as alt

from orchestrator.analysis.scaling.crossover import Crossover
from orchestrator.analysis.scaling.sweep import AXES, Axis, Sweep, sweeping
from orchestrator.model.findings import Estimate, Findings
from orchestrator.model.runs import Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import NONE, interval, level, number, times
from orchestrator.phrases.sweep import distinct, sweep_sentence
from orchestrator.reports.charts.chart import (
    Drawing,
    Spec,
    colour,
    config,
    ratio_axis,
    ratio_domain,
    shape,
    slug,
    values,
)

TITLES: Final[dict[Axis, str]] = {
    "pixels": "size of an image: side of a square of as many pixels",
    "latency_ms": "latency of the origin in ms",
    "chunk": "tasks a message",
}
LEGEND: Final = (
    "How many times as fast Celery's best cell is as its opponent, point by point with its interval, both axes "
    "logarithmic: above the line Celery pays. Dashed and shaded: where it crosses, with the interval."
)
HEIGHT: Final = 260


def draw(run: Run, findings: Findings) -> tuple[Drawing, ...]:
    """A chart a stage and opponent, of a run that swept the work."""
    if run.plan.axis not in AXES:
        return ()
    return tuple(_drawing(run, sweep) for sweep in distinct(sweeping(run).sweeps))


def at_name(axis: Axis, at: float) -> str:
    """A place on the axis as its label says it."""
    return number(_x(axis, at))


def _x(axis: Axis, at: float) -> float:
    return sqrt(at) if axis == "pixels" else at


def _drawing(run: Run, sweep: Sweep) -> Drawing:
    sentence = sweep_sentence(sweep, run)
    rows = []
    for point, celery, versus in zip(sweep.found.points, sweep.celery, sweep.versus, strict=True):
        speed = None if point.ratio is None else point.ratio.inverse
        rows.append(
            (
                at_name(sweep.axis, point.at),
                times(speed),
                interval(speed),
                level(speed),
                cell_name(celery, "long"),
                cell_name(versus, "long"),
            )
        )
    return Drawing(
        name=f"breakeven-{slug(sweep.stage)}-{slug(sweep.against)}",
        title=f"Break-even of {sweep.stage} against {sweep.against}",
        short=f"{sweep.stage}, against {sweep.against}",
        legend=LEGEND,
        caption="",
        description=f"Celery's speed in {sweep.stage} against {sweep.against}. {sentence}",
        head=(TITLES[sweep.axis], "Celery's speed", "interval", "level", "Celery", "opponent"),
        rows=tuple(rows),
        spec=_spec(sweep, run.plan.margin),
        sentences=(sentence,),
    )


def _spec(sweep: Sweep, margin: float) -> Spec:
    data = [
        _datum(sweep, index, point.ratio.inverse)
        for index, point in enumerate(sweep.found.points)
        if point.ratio is not None
    ]
    low, high = ratio_domain([each[end] for each in data for end in ("low", "speed", "high")] or [1.0])
    left, right = _x(sweep.axis, sweep.found.low), _x(sweep.axis, sweep.found.high)
    x_scale = alt.Scale(type="log", domain=[left / 1.1, right * 1.1], nice=False)
    y_scale = alt.Scale(type="log", domain=[low, high], nice=False)
    ticks = [float(f"{_x(sweep.axis, point.at):.4g}") for point in sweep.found.points]
    bottom = alt.Axis(title=TITLES[sweep.axis], values=ticks, format="~r", grid=False)
    x = alt.X("x:Q", scale=x_scale, axis=bottom)
    y = alt.Y("speed:Q", scale=y_scale, axis=ratio_axis("Celery's speed", low, high))
    across = {"x": alt.X("from:Q", scale=x_scale), "x2": "to:Q"}
    upright = {"y": alt.Y("low:Q", scale=y_scale), "y2": "high:Q"}
    tie = values([{"from": left / 1.1, "to": right * 1.1, "low": 1 / (1 + margin), "high": 1 + margin}])
    crossings = values([_crossing(sweep, each, low, high) for each in sweep.found.crossings])
    base = alt.Chart(values(data))
    paint = colour("celery")
    tooltip = [alt.Tooltip(f"{name}:N") for name in ("at", "times", "interval", "Celery", "against")]
    chart = alt.layer(
        alt.Chart(tie).mark_rect(color=colour("band"), opacity=1).encode(**across, **upright),
        alt.Chart(crossings).mark_rect(color=paint, opacity=0.15).encode(**across, **upright),
        alt.Chart(values([{"speed": 1}])).mark_rule(color=colour("ink"), strokeWidth=1.5).encode(y=y),
        base.mark_line(color=paint, opacity=0.5).encode(x=x, y=y),
        base.mark_rule(color=paint, strokeWidth=2.5, strokeCap="round").encode(
            x=x, **upright, tooltip=tooltip
        ),
        base.mark_point(
            filled=True,
            size=110,
            opacity=1,
            stroke=colour("paper"),
            strokeWidth=1,
            shape=shape("celery"),
            color=paint,
        ).encode(x=x, y=y, tooltip=tooltip),
        alt.Chart(crossings).mark_rule(color=paint, strokeWidth=2, strokeDash=[5, 3]).encode(x=x),
        alt.Chart(crossings)
        .mark_text(align="left", dx=5, baseline="top", dy=4, fontWeight="bold", color=colour("ink"))
        .encode(x=x, y=alt.Y("high:Q", scale=y_scale), text="name:N"),
    )
    return {**chart.properties(height=HEIGHT).to_dict(), "config": config()}


def _datum(sweep: Sweep, index: int, speed: Estimate) -> dict[str, Any]:
    at = sweep.found.points[index].at
    return {
        "x": _x(sweep.axis, at),
        "speed": speed.point,
        "low": speed.low or speed.point,
        "high": speed.high or speed.point,
        "at": at_name(sweep.axis, at),
        "times": times(speed),
        "interval": f"{interval(speed)} ({level(speed)})" if interval(speed) else NONE,
        "Celery": cell_name(sweep.celery[index], "long"),
        "against": cell_name(sweep.versus[index], "long"),
    }


def _crossing(sweep: Sweep, crossing: Crossover, low: float, high: float) -> dict[str, Any]:
    """Where it crosses; an open end of its interval is the end of what was tested."""
    return {
        "x": _x(sweep.axis, crossing.at),
        "from": _x(sweep.axis, crossing.low or sweep.found.low),
        "to": _x(sweep.axis, crossing.high or sweep.found.high),
        "low": low,
        "high": high,
        "name": at_name(sweep.axis, crossing.at),
    }
