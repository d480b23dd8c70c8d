"""Where the time of a Celery task goes: the hop ledger, a bar a cell."""

from __future__ import annotations

from typing import Any

import altair as alt

from orchestrator.analysis.hops import LEGS, HopLedger, HopTime, hop_ledger
from orchestrator.model.findings import Findings
from orchestrator.model.runs import Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import NONE, seconds
from orchestrator.reports.charts.chart import LEGS as FILLS
from orchestrator.reports.charts.chart import (
    ROW_PX,
    Drawing,
    Row,
    Spec,
    colour,
    columns,
    config,
    figures_axis,
    grouped,
    named,
    names_axis,
    values,
    y,
)


def draw(run: Run, findings: Findings) -> tuple[Drawing, ...]:
    """One chart, of the Celery cells whose tasks have a latency."""
    ledgers = [
        each
        for result in run.cells
        if result.cell.distributed and not result.cell.replica
        if (each := hop_ledger(result)) is not None and _drawable(each)
    ]
    if not ledgers:
        return ()
    return (
        Drawing(
            name="hops",
            title="Where a Celery task's time goes",
            short="Where a Celery task's time goes",
            legend="Each hop's share of a task's latency, from its publishing to its output's return; at the "
            "right the latency of one task. Queue holds the wait behind the batch's other tasks, return the wait "
            "for the others of its chunk.",
            caption="",
            description="Hops of a Celery task as shares of its latency. "
            + " ".join(f"{_name(each)}: {_largest(each)}." for each in ledgers),
            head=("stage", "cell", *LEGS, "latency", "CPU in compute"),
            rows=tuple(_row(each) for each in ledgers),
            spec=_spec(ledgers),
        ),
    )


def _drawable(each: HopLedger) -> bool:
    """Whether there is a latency to take shares of: clocks known badly may leave none."""
    return each.latency_s is not None and each.latency_s > 0 and any(leg.seconds > 0 for leg in each.legs)


def _name(each: HopLedger) -> str:
    return f"{each.cell.stage}, {cell_name(each.cell, 'long')}"


def _largest(each: HopLedger) -> str:
    """The two largest hops of a cell in words."""
    legs = sorted(each.legs, key=lambda leg: -leg.seconds)[:2]
    return " and ".join(f"{leg.name} {_percent(leg)}" for leg in legs) + f" of {seconds(each.latency_s)}"


def _percent(leg: HopTime) -> str:
    return NONE if leg.share is None else f"{100 * leg.share:.0f} %"


def _row(each: HopLedger) -> tuple[str, ...]:
    legs = {leg.name: f"{seconds(leg.seconds)} ({_percent(leg)})" for leg in each.legs}
    return (
        each.cell.stage,
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
        Row(each.cell.stage, " ".join(names[each.cell]).replace(" celery", ""), seconds(each.latency_s))
        for each in ledgers
    ]
    rows = grouped(keys)
    data = [datum for each, row in zip(ledgers, keys, strict=True) for datum in _data(each, row.key)]
    base = alt.Chart(values(data))
    share = alt.Axis(title=None, format="%", tickCount=4, grid=False)
    across = {"x": alt.X("from:Q", scale=alt.Scale(domain=[0, 1]), axis=share), "x2": "to:Q"}
    used = [name for name in LEGS if any(each["hop"] == name for each in data)]
    bars = base.mark_bar(stroke=colour("paper"), strokeWidth=1).encode(
        **across,
        y=y(rows, names_axis(rows)),
        color=alt.Color(
            "hop:N",
            scale=alt.Scale(domain=used, range=[FILLS[name][0] for name in used]),
            legend=alt.Legend(
                title=None,
                orient="top",
                columns=columns(2, (440, 3), (720, 7)),
                symbolType="square",
                labelLimit=90,
            ),
        ),
        tooltip=[alt.Tooltip(f"{name}:N") for name in ("cell", "hop", "a task", "share")],
    )
    # A segment is named where its name has room.
    roomy = "(datum.to - datum.from) * width > 62"
    names = base.mark_text(baseline="middle", fontSize=11).encode(
        x=alt.X("middle:Q"),
        y=y(rows, figures_axis()),
        text="hop:N",
        color=alt.Color("on:N", scale=None),
        opacity=alt.condition(roomy, alt.value(1), alt.value(0)),
    )
    chart = alt.layer(bars, names).resolve_axis(y="independent").resolve_scale(color="independent")
    return {**chart.properties(height=ROW_PX * len(rows)).to_dict(), "config": config()}


def _data(each: HopLedger, key: str) -> list[dict[str, Any]]:
    """A cell's segments from left to right; a negative rest has no length, and is told by its figure."""
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
                "on": FILLS[leg.name][1],
                "cell": _name(each),
                "a task": seconds(leg.seconds),
                "share": _percent(leg),
            }
        )
        start = end
    return data
