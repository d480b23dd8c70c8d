"""Celery's speed against each baseline, a stage after the other: the verdicts at a glance."""

from __future__ import annotations

from typing import Any

import altair as alt

from orchestrator.model.findings import Findings, Verdict
from orchestrator.model.runs import Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import NONE, interval, level, times
from orchestrator.reports.charts.chart import (
    ROW_PX,
    Drawing,
    Row,
    Spec,
    colour,
    config,
    figures_axis,
    grouped,
    names_axis,
    ratio_axis,
    ratio_domain,
    values,
    y,
)

SHAPES = {
    "helps": "triangle-right",
    "hurts": "triangle-left",
    "ties": "square",
    "inconclusive": "circle",
    "invalid": "cross",
}


def draw(run: Run, findings: Findings) -> tuple[Drawing, ...]:
    """One chart, of the verdicts that have a ratio."""
    shown = [verdict for verdict in findings.verdicts if verdict.ratio is not None]
    if not shown:
        return ()
    return (
        Drawing(
            name="verdicts",
            title="How much faster or slower Celery is, and how surely",
            short="How much, and how surely",
            legend="How many times as fast Celery's best cell is as its opponent, with its interval. "
            f"Shaded: too close to matter, {100 * run.plan.margin:.2g} % either way.",
            caption="",
            description="Celery's speed against its opponents. "
            + "; ".join(
                f"{each.stage} against {each.against}: {_speed(each)}, {each.verdict}" for each in shown
            )
            + ".",
            head=("stage", "against", "verdict", "Celery's speed", "interval", "level"),
            rows=tuple(
                (
                    each.stage,
                    each.against,
                    each.verdict,
                    _speed(each),
                    interval(each.ratio.inverse if each.ratio else None),
                    level(each.ratio),
                )
                for each in shown
            ),
            spec=_spec(shown, run.plan.margin),
        ),
    )


def _speed(verdict: Verdict) -> str:
    return times(None if verdict.ratio is None else verdict.ratio.inverse)


def _spec(shown: list[Verdict], margin: float) -> Spec:
    keys = [Row(each.stage, f"vs {each.against}", _speed(each)) for each in shown]
    rows = grouped(keys)
    data = [_datum(each, row.key) for each, row in zip(shown, keys, strict=True)]
    low, high = ratio_domain([each[end] for each in data for end in ("low", "speed", "high")])
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    x = alt.X("speed:Q", scale=scale, axis=ratio_axis("← Celery slower · faster →", low, high))
    base = alt.Chart(values(data))
    paint = alt.Color("colour:N", scale=None)
    tooltip = [
        alt.Tooltip(f"{name}:N") for name in ("stage", "verdict", "Celery", "against", "speed", "interval")
    ]
    tooltip[4] = alt.Tooltip("times:N", title="speed")
    shade = alt.Chart(values([{"from": 1 / (1 + margin), "to": 1 + margin}]))
    band = shade.mark_rect(color=colour("band"), opacity=1)
    line = alt.Chart(values([{"speed": 1}])).mark_rule(color=colour("ink"), strokeWidth=1.5)
    intervals = base.mark_rule(strokeWidth=2.5, strokeCap="round")
    points = base.mark_point(filled=True, size=110, opacity=1, stroke=colour("paper"), strokeWidth=1)
    chart = alt.layer(
        band.encode(x=alt.X("from:Q", scale=scale), x2="to:Q"),
        line.encode(x=x),
        intervals.encode(x="low:Q", x2="high:Q", y=y(rows, figures_axis()), color=paint, tooltip=tooltip),
        points.encode(
            x=x,
            y=y(rows, names_axis(rows)),
            color=paint,
            shape=alt.Shape("shape:N", scale=None),
            tooltip=tooltip,
        ),
    ).resolve_axis(y="independent")
    return {**chart.properties(height=ROW_PX * len(rows)).to_dict(), "config": config()}


def _datum(verdict: Verdict, key: str) -> dict[str, Any]:
    speed = verdict.ratio.inverse if verdict.ratio is not None else None
    point = speed.point if speed else 1.0
    return {
        "row": key,
        "speed": point,
        "low": (speed and speed.low) or point,
        "high": (speed and speed.high) or point,
        "colour": colour(verdict.verdict),
        "shape": SHAPES[verdict.verdict],
        "stage": verdict.stage,
        "verdict": verdict.verdict,
        "Celery": cell_name(verdict.celery, "long") if verdict.celery else NONE,
        "against": cell_name(verdict.versus, "long") if verdict.versus else NONE,
        "times": times(speed),
        "interval": f"{interval(speed)} ({level(speed)})" if interval(speed) else "none",
    }
