"""Every sample over the rounds, so that drift and outliers can be seen: a line a cell, around its own median."""

from __future__ import annotations

import math
from statistics import median
from typing import Any, Final

import altair as alt

from orchestrator.model.findings import Findings
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import TIMES, seconds, spread
from orchestrator.reports.charts.chart import (
    BY_PLACE,
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
    shape,
    slug,
    values,
)

LEGEND: Final = (
    "Each round's makespan against the cell's own median, the line in its row: higher took longer. A drift slopes, "
    "an outlier sticks out, a disturbance of the machine shows in many rows at once. At the right the makespan and "
    "half its interval."
)
LARGEST: Final = 2.0
"""A sample further from its median than this factor is drawn at the edge of its row."""
POINTS: Final = 40
"""With more rounds than this, lines alone are drawn."""
MOST_IN_TABLE: Final = 12
"""With more rounds than this, the table names the lowest, median and highest instead of each."""


def draw(run: Run, findings: Findings) -> tuple[Drawing, ...]:
    """A chart a stage, of its cells that have a sample."""
    drawings = (_of_stage(run, findings, stage) for stage in run.stages)
    return tuple(each for each in drawings if each is not None)


def _of_stage(run: Run, findings: Findings, stage: str) -> Drawing | None:
    measured = {result.cell: result for result in run.of_stage(stage) if result.samples}
    if not measured:
        return None
    names = named(measured)
    shown = [measured[cell] for cell in names]
    worst, sample_round, factor = _furthest(shown)
    reach = _reach(factor)
    return Drawing(
        name=f"samples-{slug(stage)}",
        title=f"{stage.capitalize()}, round after round",
        short=stage,
        legend=LEGEND,
        caption=f"Half a row up is {reach:.2g} times the median, half a row down the median over {reach:.2g}.",
        description=f"Samples of {stage} over the rounds, each against its cell's median. Furthest: "
        f"{cell_name(worst.cell, 'long')} in round {sample_round + 1}, {factor:.2f} times its median.",
        head=_head(shown),
        rows=tuple(_row(result, names[result.cell], _head(shown)) for result in shown),
        spec=_spec(shown, names, findings, reach),
    )


def _median(result: CellResult) -> float:
    return median(sample.makespan_s for sample in result.samples)


def _furthest(shown: list[CellResult]) -> tuple[CellResult, int, float]:
    """The sample that is furthest from its cell's median: its cell, round, and how many times the median."""
    factors = (
        (result, sample.round, sample.makespan_s / _median(result))
        for result in shown
        for sample in result.samples
    )
    return max(factors, key=lambda each: abs(math.log(each[2])))


def _reach(factor: float) -> float:
    """The factor that fills half a row: the furthest sample's, within reason."""
    return min(LARGEST, max(1.1, factor, 1 / factor))


def _head(shown: list[CellResult]) -> tuple[str, ...]:
    rounds = sorted({sample.round for result in shown for sample in result.samples})
    if len(rounds) > MOST_IN_TABLE:
        return ("kernel", "cell", "rounds", "shortest", "median", "longest")
    return ("kernel", "cell", *(f"round {number + 1}" for number in rounds))


def _row(result: CellResult, name: tuple[str, str], head: tuple[str, ...]) -> tuple[str, ...]:
    if head[2] == "rounds":
        makespans = sorted(result.makespans_s.values())
        return (
            *name,
            str(len(makespans)),
            seconds(makespans[0]),
            seconds(_median(result)),
            seconds(makespans[-1]),
        )
    by_round = {f"round {number + 1}": makespan for number, makespan in result.makespans_s.items()}
    return (*name, *(seconds(by_round.get(each)) for each in head[2:]))


def _spec(
    shown: list[CellResult], names: dict[Cell, tuple[str, str]], findings: Findings, reach: float
) -> Spec:
    rows = grouped(Row(*names[result.cell], _makespan(result, findings)) for result in shown)
    places = [place for place, row in enumerate(rows) if row.name]
    data = [
        datum
        for place, result in zip(places, shown, strict=True)
        for datum in _data(result, place, rows[place], reach)
    ]
    rounds = sorted({each["round"] for each in data})
    bottom = alt.Axis(
        title="round", format="d", tickMinStep=1, tickCount=min(len(rounds), 10), gridDash=[2, 3]
    )
    x = alt.X("round:Q", scale=alt.Scale(domain=[rounds[0] - 0.3, rounds[-1] + 0.3], nice=False), axis=bottom)
    scale = alt.Scale(domain=[len(rows) - 0.5, -0.5], nice=False)
    keys = [row.key for row in rows]
    base = alt.Chart(values(data)).encode(x=x, detail="place:N", color=alt.Color("colour:N", scale=None))
    zero = alt.Chart(values([{"place": place} for place in places]))
    left = names_axis(rows, BY_PLACE, range(len(rows)))
    right = figures_axis(BY_PLACE, range(len(rows)))
    chart = alt.layer(
        zero.mark_rule(color=colour("line")).encode(y=alt.Y("place:Q", scale=scale, axis=left)),
        base.mark_line(strokeWidth=1.5, interpolate="linear").encode(y=alt.Y("y:Q", scale=scale, axis=right)),
        base.mark_point(filled=True, size=34 if len(rounds) <= POINTS else 0, opacity=1).encode(
            y=alt.Y("y:Q", scale=scale, axis=None),
            shape=alt.Shape("shape:N", scale=None),
            tooltip=[alt.Tooltip(f"{name}:N") for name in ("cell", "round", "makespan", "of its median")],
        ),
    ).resolve_axis(y="independent")
    chart = chart.properties(height=(ROW_PX + 4) * len(rows))
    return {**chart.to_dict(), "params": [{"name": "rows", "value": keys}], "config": config()}


def _makespan(result: CellResult, findings: Findings) -> str:
    makespan = findings.makespans.get(result.cell)
    return f"{seconds(makespan.point if makespan else None)} {spread(makespan)}".strip()


def _data(result: CellResult, place: int, row: Row, reach: float) -> list[dict[str, Any]]:
    """Where each sample stands: half a row up for `reach` times the median, and never beyond."""
    middle = _median(result)
    data = []
    for sample in result.samples:
        factor = sample.makespan_s / middle
        up = max(-1.0, min(1.0, math.log(factor) / math.log(reach)))
        data.append(
            {
                "place": place,
                "round": sample.round + 1,
                "y": round(place - 0.42 * up, 4),
                "colour": colour(result.cell.strategy),
                "shape": shape(result.cell.strategy),
                "cell": f"{row.heading} {row.name}",
                "makespan": seconds(sample.makespan_s),
                "of its median": f"{factor:.2f}{TIMES}",
            }
        )
    return data
