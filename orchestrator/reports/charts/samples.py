"""The makespan of every round, so that drift and outliers show: a line per cell around its own median."""

from __future__ import annotations

import math
from statistics import median
from typing import Any, Final

import altair as alt

from orchestrator.analysis.analyse import Findings
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.charts import SAMPLES_LEGEND, samples_caption, samples_description
from orchestrator.phrases.numbers import NONE, TIMES, seconds, spread
from orchestrator.reports.charts.chart import (
    BY_NUMBER,
    OWN_ROW_AXES,
    ROW_PX,
    Chart,
    Row,
    Spec,
    colour,
    figures_axis,
    grouped,
    named,
    names_axis,
    shape,
    slug,
    tooltips,
    values,
    with_config,
)

MAX_REACH: Final = 2.0  # a sample further from its median than this factor is drawn at the edge of its row
POINT_SIZE: Final = 34  # square pixels
ARROW_SIZE: Final = 150
ROUNDING: Final = 1.001  # the furthest sample of a chart that reaches to it is not beyond the edge
MAX_ROUNDS_WITH_POINTS: Final = 40  # more rounds are drawn as lines only
MAX_ROUNDS_IN_TABLE: Final = 12  # of more rounds, the table has the shortest, median and longest only


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return a chart for each stage with samples."""
    charts = (_of_stage(run, findings, stage) for stage in run.stages)
    return tuple(chart for chart in charts if chart is not None)


def _of_stage(run: Run, findings: Findings, stage: str) -> Chart | None:
    measured = {result.cell: result for result in run.of_stage(stage) if result.samples}
    if not measured:
        return None
    names = named(measured)
    shown = [measured[cell] for cell in names]
    worst, round_index, factor = _furthest(shown)
    reach = min(MAX_REACH, max(1.1, factor, 1 / factor))
    return Chart(
        name=f"samples-{slug(stage)}",
        title=f"Round by round: {run.subject(stage)}",
        short=run.subject(stage),
        legend=SAMPLES_LEGEND,
        caption=samples_caption(reach, clipped=max(factor, 1 / factor) > reach * ROUNDING),
        description=samples_description(run.subject(stage), worst.cell, round_index + 1, factor),
        head=_head(shown),
        rows=tuple(_row(result, names[result.cell], _head(shown)) for result in shown),
        spec=_spec(shown, names, findings, reach),
    )


def _median(result: CellResult) -> float:
    return median(sample.makespan_s for sample in result.samples)


def _furthest(shown: list[CellResult]) -> tuple[CellResult, int, float]:
    factors = (
        (result, sample.round, sample.makespan_s / _median(result))
        for result in shown
        for sample in result.samples
    )
    return max(factors, key=lambda each: abs(math.log(each[2])))


def _head(shown: list[CellResult]) -> tuple[str, ...]:
    rounds = sorted({sample.round for result in shown for sample in result.samples})
    if len(rounds) > MAX_ROUNDS_IN_TABLE:
        return ("kernel", "cell", "rounds", "shortest", "median", "longest")
    return ("kernel", "cell", *(f"round {number + 1}" for number in rounds))


def _row(result: CellResult, name: tuple[str, str], head: tuple[str, ...]) -> tuple[str, ...]:
    if head[2] == "rounds":
        makespans = sorted(result.makespans_s.values())
        shown = (makespans[0], _median(result), makespans[-1])
        return (*name, str(len(makespans)), *map(seconds, shown))
    by_round = {f"round {number + 1}": makespan for number, makespan in result.makespans_s.items()}
    return (*name, *(seconds(by_round.get(each)) for each in head[2:]))


def _spec(
    shown: list[CellResult], names: dict[Cell, tuple[str, str]], findings: Findings, reach: float
) -> Spec:
    makespans = {
        cell: f"{seconds(each.point)} {spread(each)}".strip() for cell, each in findings.makespans.items()
    }
    rows = grouped(Row(*names[each.cell], makespans.get(each.cell, NONE)) for each in shown)
    numbers = [number for number, row in enumerate(rows) if row.name]
    data = [
        datum
        for number, result in zip(numbers, shown, strict=True)
        for datum in _data(result, number, rows[number], reach)
    ]
    rounds = sorted({each["round"] for each in data})
    bottom = alt.Axis(
        title="round", format="d", tickMinStep=1, tickCount=min(len(rounds), 10), gridDash=[2, 3]
    )
    x = alt.X("round:Q", scale=alt.Scale(domain=[rounds[0] - 0.3, rounds[-1] + 0.3], nice=False), axis=bottom)
    scale = alt.Scale(domain=[len(rows) - 0.5, -0.5], nice=False)
    keys = [row.key for row in rows]
    base = alt.Chart(values(data)).encode(
        x=x, detail=alt.Detail("row:N"), color=alt.Color("colour:N", scale=None)
    )
    medians = alt.Chart(values([{"row": number} for number in numbers]))
    left = names_axis(rows, BY_NUMBER, range(len(rows)))
    right = figures_axis(BY_NUMBER, range(len(rows)))
    chart = alt.layer(
        medians.mark_rule(color=colour("line")).encode(y=alt.Y("row:Q", scale=scale, axis=left)),
        base.mark_line(strokeWidth=1.5, interpolate="linear").encode(y=alt.Y("y:Q", scale=scale, axis=right)),
        base.mark_point(filled=True, opacity=1).encode(
            y=alt.Y("y:Q", scale=scale, axis=None),
            shape=alt.Shape("shape:N", scale=None),
            size=alt.Size("size:Q", scale=None),
            angle=alt.Angle("angle:Q", scale=None),
            tooltip=tooltips("cell", "round", "makespan", "of its median"),
        ),
        resolve=OWN_ROW_AXES,
    )
    height_px = (ROW_PX + 4) * len(rows)
    return {**with_config(chart, height_px), "params": [{"name": "rows", "value": keys}]}


def _mark(result: CellResult, factor: float, reach: float) -> dict[str, Any]:
    """Return the mark of a sample: an arrow for one beyond the edge of its row."""
    if max(factor, 1 / factor) > reach * ROUNDING:
        return {"shape": "arrow", "size": ARROW_SIZE, "angle": 0 if factor > 1 else 180}
    size = POINT_SIZE if len(result.samples) <= MAX_ROUNDS_WITH_POINTS else 0
    return {"shape": shape(result.cell.strategy), "size": size, "angle": 0}


def _data(result: CellResult, number: int, row: Row, reach: float) -> list[dict[str, Any]]:
    """Return the position of each sample: half a row above its median for `reach` times the median, at most."""
    middle = _median(result)
    data = []
    for sample in result.samples:
        factor = sample.makespan_s / middle
        up = max(-1.0, min(1.0, math.log(factor) / math.log(reach)))
        data.append(
            {
                "row": number,
                "round": sample.round + 1,
                "y": round(number - 0.42 * up, 4),
                "colour": colour(result.cell.strategy),
                **_mark(result, factor, reach),
                "cell": f"{row.heading} {row.name}",
                "makespan": seconds(sample.makespan_s),
                "of its median": f"{factor:.2f}{TIMES}",
            }
        )
    return data
