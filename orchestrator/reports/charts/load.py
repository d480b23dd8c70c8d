"""Latency over the arrival rate, and over time at one rate, where a stall can be seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import altair as alt
import numpy as np

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.load import QUANTILES, LoadRow, Times
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.load import (
    LATENCY_LEGEND,
    SUSTAINED,
    TIMELINE_LEGEND,
    load_sentences,
    promise,
    quantile_name,
    short_row_name,
    where_time_went,
)
from orchestrator.phrases.numbers import NONE, interval, level, number, per_second, seconds
from orchestrator.reports.charts.chart import Chart, Spec, colour, slug, tooltips, values, with_config

HEIGHT_PX: Final = 300
DRAWN_QUANTILES: Final = {0.5: [1, 0], 0.95: [6, 3], 0.99: [2, 2]}  # with the dashes of their lines
WIDE_SPAN: Final = 4.0  # rates that differ by more than this factor stand on a logarithmic axis
BINS: Final = 60  # of a sample, along the time
SHAPES: Final = ("circle", "triangle-up", "square", "diamond", "cross")  # of the rows of one strategy


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return the latency over the rate: a chart for each stage."""
    return tuple(_over_rate(run, findings, stage) for stage in _stages(findings))


def draw_over_time(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return the latency over time: a chart for each stage."""
    return tuple(_over_time(run, findings, stage) for stage in _stages(findings))


def _stages(findings: Findings) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.cell.stage for row in findings.load))


def _of_stage(findings: Findings, stage: str) -> list[LoadRow]:
    return sorted((row for row in findings.load if row.cell.stage == stage), key=lambda row: row.rate_per_s)


def _over_rate(run: Run, findings: Findings, stage: str) -> Chart:
    rows, subject = _of_stage(findings, stage), run.subject(stage)
    names = _names(rows)
    quantiles = [quantile_name(quantile) for quantile in QUANTILES]
    return Chart(
        name=f"latency-{slug(stage)}",
        title=f"Latency over the arrival rate: {subject}",
        short=subject,
        legend=LATENCY_LEGEND,
        description=f"Latency of {subject} over the arrival rate. {' '.join(load_sentences(findings))}",
        head=("strategy", "rate", "done/s", *quantiles, "max", "backlog", "sustained", "where the time went"),
        rows=tuple(_figures(row, names[row.cell]) for row in rows),
        spec=_spec_over_rate(run, rows),
        sentences=tuple(each for each in load_sentences(findings) if each.startswith(f"{subject},")),
    )


def _names(rows: Sequence[LoadRow]) -> dict[Cell, str]:
    cells = [row.cell for row in rows]
    return {cell: short_row_name(cell, cells) for cell in cells}


def _figures(row: LoadRow, name: str) -> tuple[str, ...]:
    latencies = [
        NONE if each is None else f"{seconds(each.point)} {interval(each, seconds)}".strip()
        for each in row.latency_s.values()
    ]
    ends = (seconds(row.max_s), f"{row.backlog_at_end:,}", SUSTAINED[row.sustained], where_time_went(row))
    return (name, per_second(row.rate_per_s), number(row.achieved_per_s), *latencies, *ends)


def _spec_over_rate(run: Run, rows: Sequence[LoadRow]) -> Spec:
    names = _names(rows)
    data = [datum for row in rows for datum in _points(row, names[row.cell])]
    rates = sorted({row.rate_per_s for row in rows})
    wide = rates[-1] > WIDE_SPAN * rates[0]
    x_scale = alt.Scale(type="log" if wide else "linear", zero=False, nice=False, padding=20)
    bottom = alt.Axis(title="tasks that arrive a second", values=rates, format=",.6~r", grid=False)
    x = alt.X("rate:Q", scale=x_scale, axis=bottom)
    y_scale = alt.Scale(type="log", nice=False, padding=10)
    y = alt.Y("ms:Q", scale=y_scale, axis=_milliseconds())
    dashes = alt.Scale(
        domain=[quantile_name(each) for each in DRAWN_QUANTILES], range=list(DRAWN_QUANTILES.values())
    )
    base = alt.Chart(values(data)).encode(x=x, color=_colours(rows))
    dash = alt.StrokeDash("quantile:N", scale=dashes, legend=alt.Legend(title=None, symbolStrokeWidth=2))
    tooltip = tooltips("strategy", "at", "quantile", "latency", "interval")
    layers = [
        base.mark_line(strokeWidth=1.5, interpolate="linear").encode(y=y, strokeDash=dash),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", scale=y_scale), y2=alt.Y2("high:Q")),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=y, shape=_shapes(rows), tooltip=tooltip),
    ]
    if run.plan.objective is not None:
        line = [{"ms": 1e3 * run.plan.objective.latency_s, "name": promise(run.plan.objective)}]
        promised = alt.Chart(values(line)).encode(y=y)
        layers += [
            promised.mark_rule(color=colour("ink"), strokeWidth=1.5, strokeDash=[8, 4]),
            promised.mark_text(align="left", baseline="bottom", dy=-4, color=colour("ink")).encode(
                x=alt.value(4), text=alt.Text("name:N")
            ),
        ]
    return with_config(alt.layer(*layers), HEIGHT_PX)


def _points(row: LoadRow, name: str) -> Iterator[dict[str, Any]]:
    for quantile in DRAWN_QUANTILES:
        latency = row.latency_s[quantile]
        if latency is None or latency.point <= 0:
            continue
        low, high = latency.low or latency.point, latency.high or latency.point
        span = interval(latency, seconds)
        yield {
            "rate": row.rate_per_s,
            "ms": round(1e3 * latency.point, 4),
            "low": round(1e3 * low, 4),
            "high": round(1e3 * high, 4),
            "quantile": quantile_name(quantile),
            "strategy": name,
            "at": per_second(row.rate_per_s),
            "latency": seconds(latency.point),
            "interval": f"{span} ({level(latency)})" if span else NONE,
        }


def _over_time(run: Run, findings: Findings, stage: str) -> Chart:
    rows, subject = _of_stage(findings, stage), run.subject(stage)
    chosen = _chosen(rows)
    results = {result.cell: result for result in run.of_stage(stage)}
    names = _names(rows)
    data = [datum for row in rows for datum in _bins(row, names[row.cell], results[row.cell])]
    longest = max(data, key=lambda each: each["ms"] * (each["rate"] == chosen), default=None)
    said = "" if longest is None else f" The longest was {longest['longest']}, in {longest['strategy']}."
    return Chart(
        name=f"latency-time-{slug(stage)}",
        title=f"Latency over time at {per_second(chosen)}: {subject}",
        short=subject,
        legend=TIMELINE_LEGEND,
        description=f"Latency of {subject} over time at {per_second(chosen)}.{said}",
        head=("strategy", "rate", "round", "longest", "which arrived at"),
        rows=tuple(_longest(data)),
        spec=_spec_over_time(data, rows, chosen),
    )


def _chosen(rows: Sequence[LoadRow]) -> float:
    """The rate that is shown first: the highest that any strategy sustains, else the lowest."""
    return max((row.rate_per_s for row in rows if row.sustained), default=rows[0].rate_per_s)


def _spec_over_time(data: Sequence[dict[str, Any]], rows: Sequence[LoadRow], chosen: float) -> Spec:
    rates = sorted({row.rate_per_s for row in rows})
    select = alt.binding_select(
        options=rates, labels=[per_second(rate) for rate in rates], name="Arrival rate: "
    )
    rate = alt.param(name="rate", value=chosen, bind=select)
    ticks = alt.Axis(title="seconds, the rounds one after the other", format=",~r", gridDash=[2, 3])
    base = (
        alt.Chart(values(data))
        .transform_filter("datum.rate == rate")
        .encode(
            x=alt.X("at:Q", scale=alt.Scale(nice=False), axis=ticks),
            color=_colours(rows),
            detail=alt.Detail("round:N"),
        )
    )
    y_scale = alt.Scale(type="log", nice=False, padding=10)
    y = alt.Y("ms:Q", scale=y_scale, axis=_milliseconds())
    chart = alt.layer(
        base.mark_line(strokeWidth=1.5, interpolate="linear").encode(y=y),
        base.mark_line(strokeWidth=1, opacity=0.45, interpolate="linear").encode(
            y=alt.Y("middle:Q", scale=y_scale)
        ),
        base.mark_point(filled=True, size=18, opacity=1).encode(
            y=y, shape=_shapes(rows), tooltip=tooltips("strategy", "round", "second", "longest", "median")
        ),
    ).add_params(rate)
    return with_config(chart, HEIGHT_PX)


def _bins(row: LoadRow, name: str, result: CellResult) -> Iterator[dict[str, Any]]:
    """The longest and the median latency of the tasks that arrived in each part of a sample."""
    for place, sample in enumerate(result.open_loops):
        if sample.trace is None:
            continue
        times, duration_s = Times.of(sample.trace), sample.trace.duration_s
        parts = np.minimum(BINS - 1, times.planned * (BINS / duration_s)).astype(int)
        for part in range(BINS):
            latencies = times.latency[(parts == part) & np.isfinite(times.latency)]
            if not len(latencies):
                continue
            second = (part + 0.5) * duration_s / BINS
            longest, middle = float(latencies.max()), float(np.median(latencies))
            yield {
                "rate": row.rate_per_s,
                "round": sample.round + 1,
                "at": round(place * 1.1 * duration_s + second, 3),
                "ms": round(1e3 * max(longest, 1e-6), 4),
                "middle": round(1e3 * max(middle, 1e-6), 4),
                "strategy": name,
                "second": f"{second:.1f} s",
                "longest": seconds(longest),
                "median": seconds(middle),
            }


def _longest(data: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """The longest latency of each sample."""
    found: dict[tuple[str, float, int], dict[str, Any]] = {}
    for each in data:
        key = (each["strategy"], each["rate"], each["round"])
        if key not in found or each["ms"] > found[key]["ms"]:
            found[key] = each
    for (strategy, rate, round_), each in found.items():
        yield strategy, per_second(rate), str(round_), each["longest"], each["second"]


def _milliseconds() -> alt.Axis:
    return alt.Axis(title="latency in ms", format=",~r", tickCount=5, gridDash=[2, 3])


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", labelLimit=300, symbolOpacity=1)


def _colours(rows: Sequence[LoadRow]) -> alt.Color:
    named = {name: colour(cell.strategy) for cell, name in _names(rows).items()}
    scale = alt.Scale(domain=list(named), range=list(named.values()))
    return alt.Color("strategy:N", scale=scale, legend=_legend())


def _shapes(rows: Sequence[LoadRow]) -> alt.Shape:
    """The shapes that tell rows of one strategy, and so of one colour, apart."""
    named: dict[str, str] = {}
    used: Counter[str] = Counter()
    for cell, name in _names(rows).items():
        if name not in named:
            named[name] = SHAPES[used[cell.strategy] % len(SHAPES)]
            used[cell.strategy] += 1
    scale = alt.Scale(domain=list(named), range=list(named.values()))
    return alt.Shape("strategy:N", scale=scale, legend=_legend())
