"""Where the time of a Celery task goes: a bar of hops for each cell."""

from __future__ import annotations

from typing import Any

import altair as alt

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.hops import LEGS, HopLedger
from orchestrator.model.runs import Run
from orchestrator.phrases.cells import cell_name, in_stage
from orchestrator.phrases.charts import HOPS_LEGEND, hops_description, share
from orchestrator.phrases.numbers import NONE, seconds
from orchestrator.reports.charts.chart import (
    HOP_COLOURS,
    OWN_ROW_AXES,
    ROW_PX,
    Chart,
    Row,
    Spec,
    colour,
    columns,
    figures_axis,
    grouped,
    named,
    names_axis,
    row_scale,
    tooltips,
    values,
    with_config,
)


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return one chart of the Celery cells whose tasks have a latency."""
    ledgers = [
        ledger
        for cell, ledger in findings.hop_ledgers.items()
        if cell.distributed
        and not cell.replica
        # Where clocks are known badly, a latency may not be positive.
        and (ledger.latency_s or 0.0) > 0
        and any(leg.seconds > 0 for leg in ledger.legs)
    ]
    if not ledgers:
        return ()
    return (
        Chart(
            name="hops",
            title="Where a Celery task's time goes",
            short="Where a Celery task's time goes",
            legend=HOPS_LEGEND,
            description=hops_description(ledgers),
            head=("stage", "cell", *LEGS, "latency", "CPU in compute"),
            rows=tuple(_row(ledger) for ledger in ledgers),
            spec=_spec(ledgers),
        ),
    )


def _row(each: HopLedger) -> tuple[str, ...]:
    legs = {leg.name: f"{seconds(leg.seconds)} ({share(leg.share)})" for leg in each.legs}
    return (
        each.cell.subject,
        cell_name(each.cell, "long"),
        *(legs.get(name, NONE) for name in LEGS),
        seconds(each.latency_s),
        seconds(each.compute_cpu_s),
    )


def _spec(ledgers: list[HopLedger]) -> Spec:
    by_cell = {each.cell: each for each in ledgers}
    stages = dict.fromkeys(each.cell.stage for each in ledgers)
    names = named(by_cell)
    ledgers = [by_cell[cell] for stage in stages for cell in names if cell.stage == stage]
    keys = [
        Row(each.cell.subject, " ".join(names[each.cell]).replace(" celery", ""), seconds(each.latency_s))
        for each in ledgers
    ]
    rows = grouped(keys)
    data = [datum for each, row in zip(ledgers, keys, strict=True) for datum in _data(each, row.key)]
    base = alt.Chart(values(data))
    shares = alt.Axis(title=None, format="%", tickCount=4, grid=False)
    across = {"x": alt.X("from:Q", scale=alt.Scale(domain=[0, 1]), axis=shares), "x2": "to:Q"}
    used = [name for name in LEGS if any(each["hop"] == name for each in data)]
    bars = base.mark_bar(stroke=colour("paper"), strokeWidth=1).encode(
        **across,
        y=row_scale(rows, names_axis(rows)),
        color=alt.Color(
            "hop:N",
            scale=alt.Scale(domain=used, range=[HOP_COLOURS[name][0] for name in used]),
            legend=alt.Legend(
                title=None,
                orient="top",
                columns=columns(2, (440, 3), (720, 7)),
                symbolType="square",
                labelLimit=90,
            ),
        ),
        tooltip=tooltips("cell", "hop", "per task", "share"),
    )
    # A segment has its name where there is room for it.
    roomy = "(datum.to - datum.from) * width > 62"
    names = base.mark_text(baseline="middle", fontSize=11).encode(
        x=alt.X("middle:Q"),
        y=row_scale(rows, figures_axis()),
        text=alt.Text("hop:N"),
        color=alt.Color("on:N", scale=None),
        opacity=alt.condition(roomy, alt.value(1), alt.value(0)),
    )
    own = alt.Resolve(axis=OWN_ROW_AXES.axis, scale=alt.ScaleResolveMap(color="independent"))
    chart = alt.layer(bars, names, resolve=own)
    return with_config(chart, ROW_PX * len(rows))


def _data(each: HopLedger, key: str) -> list[dict[str, Any]]:
    """Return the segments of a cell from left to right; a negative hop has no length, only its figure."""
    whole = sum(max(0.0, leg.seconds) for leg in each.legs)
    start = 0.0
    data = []
    for leg in each.legs:
        end = start + max(0.0, leg.seconds) / whole
        data.append(
            {
                "row": key,
                "hop": leg.name,
                "from": round(start, 5),
                "to": round(end, 5),
                "middle": round((start + end) / 2, 5),
                "on": HOP_COLOURS[leg.name][1],
                "cell": in_stage(each.cell),
                "per task": seconds(leg.seconds),
                "share": share(leg.share),
            }
        )
        start = end
    return data
