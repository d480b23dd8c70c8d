"""Celery's speed along a swept axis, and where it overtakes its opponent."""

from __future__ import annotations

from math import sqrt
from typing import Any, Final

import altair as alt

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.scaling.crossover import Crossover
from orchestrator.analysis.scaling.sweep import AXES, Axis, Sweep, distinct
from orchestrator.model.runs import Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.charts import BREAKEVEN_LEGEND
from orchestrator.phrases.numbers import exact_level, number, ratio_interval, times
from orchestrator.phrases.sweep import sweep_sentence
from orchestrator.reports.charts.chart import (
    Chart,
    Spec,
    colour,
    ends,
    points,
    ratio_axis,
    ratio_domain,
    ratio_text,
    shape,
    slug,
    tooltips,
    values,
    with_config,
)

TITLES: Final[dict[Axis, str]] = {
    "pixels": "size of an image: side of a square with as many pixels",
    "latency_ms": "latency of the origin in ms",
    "chunk": "tasks per message",
    "tasks": "tasks in a batch",
    "work_ms": "length of a task in ms",
}
HEIGHT_PX: Final = 260


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return a chart for each stage and opponent, of a run that swept the work."""
    if run.plan.axis not in AXES:
        return ()
    return tuple(_of_sweep(run, sweep) for sweep in distinct(findings.sweeps))


def _label(axis: Axis, at: float) -> str:
    return number(_x(axis, at))


def _x(axis: Axis, at: float) -> float:
    return sqrt(at) if axis == "pixels" else at


def _of_sweep(run: Run, sweep: Sweep) -> Chart:
    sentence, subject = sweep_sentence(sweep, run), run.subject(sweep.stage)
    rows = []
    for point, celery, versus in zip(sweep.found.points, sweep.celery, sweep.versus, strict=True):
        speed = None if point.ratio is None else point.ratio.inverse
        figures = (_label(sweep.axis, point.at), times(speed), ratio_interval(speed), exact_level(speed))
        rows.append((*figures, cell_name(celery, "long"), cell_name(versus, "long")))
    return Chart(
        name=f"breakeven-{slug(sweep.stage)}-{slug(sweep.against)}",
        title=f"Break-even of {subject} against {sweep.against}",
        short=f"{subject}, against {sweep.against}",
        legend=BREAKEVEN_LEGEND,
        description=f"Celery's speed in {subject} against {sweep.against}. {sentence}",
        head=(TITLES[sweep.axis], "Celery's speed", "interval", "level", "Celery", "opponent"),
        rows=tuple(rows),
        spec=_spec(sweep, run.plan.margin),
        sentences=(sentence,),
    )


def _spec(sweep: Sweep, margin: float) -> Spec:
    measured = zip(sweep.found.points, sweep.celery, sweep.versus, strict=True)
    data: list[dict[str, Any]] = [
        {
            "x": _x(sweep.axis, point.at),
            "speed": point.ratio.inverse.point,
            **ends(point.ratio.inverse),
            "at": _label(sweep.axis, point.at),
            **ratio_text(point.ratio.inverse),
            "Celery": cell_name(celery, "long"),
            "against": cell_name(versus, "long"),
        }
        for point, celery, versus in measured
        if point.ratio is not None
    ]
    low, high = ratio_domain([each[end] for each in data for end in ("low", "speed", "high")] or [1.0])
    left, right = _x(sweep.axis, sweep.found.low) / 1.1, _x(sweep.axis, sweep.found.high) * 1.1
    x_scale = alt.Scale(type="log", domain=[left, right], nice=False)
    y_scale = alt.Scale(type="log", domain=[low, high], nice=False)
    ticks = [float(f"{_x(sweep.axis, point.at):.4g}") for point in sweep.found.points]
    bottom = alt.Axis(title=TITLES[sweep.axis], values=ticks, format="~r", grid=False)
    x = alt.X("x:Q", scale=x_scale, axis=bottom)
    y = alt.Y("speed:Q", scale=y_scale, axis=ratio_axis("Celery's speed", low, high, "height", 18))
    across = {"x": alt.X("from:Q", scale=x_scale), "x2": "to:Q"}
    upright = {"y": alt.Y("low:Q", scale=y_scale), "y2": "high:Q"}
    tie = alt.Chart(values([{"from": left, "to": right, "low": 1 / (1 + margin), "high": 1 + margin}]))
    crossovers = alt.Chart(values([_crossover(sweep, each, low, high) for each in sweep.found.crossovers]))
    base = alt.Chart(values(data))
    paint = colour("celery")
    tooltip = tooltips("at", "times", "interval", "Celery", "against")
    chart = alt.layer(
        tie.mark_rect(color=colour("band"), opacity=1).encode(**across, **upright),
        alt.Chart(values([{"speed": 1}])).mark_rule(color=colour("ink"), strokeWidth=1.5).encode(y=y),
        crossovers.mark_rule(color=paint, strokeWidth=6, opacity=0.5).encode(
            **across, y=alt.datum(1, scale=y_scale)
        ),
        base.mark_line(color=paint, opacity=0.5).encode(x=x, y=y),
        base.mark_rule(color=paint, strokeWidth=2.5, strokeCap="round").encode(
            x=x, **upright, tooltip=tooltip
        ),
        points(base, color=paint, shape=shape("celery")).encode(x=x, y=y, tooltip=tooltip),
        crossovers.mark_rule(color=paint, strokeWidth=2, strokeDash=[5, 3]).encode(x=x),
        crossovers.mark_text(
            align="left", dx=5, baseline="top", dy=4, fontWeight="bold", color=colour("ink")
        ).encode(x=x, y=alt.Y("high:Q", scale=y_scale), text=alt.Text("name:N")),
    )
    return with_config(chart, HEIGHT_PX)


def _crossover(sweep: Sweep, crossover: Crossover, low: float, high: float) -> dict[str, Any]:
    """Return where the curve crosses 1; an open end of the interval is the end of the tested range."""
    return {
        "x": _x(sweep.axis, crossover.at),
        "from": _x(sweep.axis, crossover.low or sweep.found.low),
        "to": _x(sweep.axis, crossover.high or sweep.found.high),
        "low": low,
        "high": high,
        "name": _label(sweep.axis, crossover.at),
    }
