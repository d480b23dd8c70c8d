"""The map: what finishes a batch first, by the length of a task and the slots on other machines."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import altair as alt

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.scaling.task_map import Border, TaskMap
from orchestrator.model.findings import Answer
from orchestrator.model.runs import Run
from orchestrator.phrases.answer import CHOICES
from orchestrator.phrases.charts import MAP_LEGEND
from orchestrator.phrases.numbers import NONE, level, number, seconds
from orchestrator.phrases.task_map import map_sentence, slots_range
from orchestrator.reports.charts.chart import (
    Chart,
    Spec,
    colour,
    columns,
    slug,
    values,
    with_config,
)

HEIGHT_PX: Final = 320
MOST_SLOTS: Final = 64  # the top of the map
DECADES_MS: Final = [0.01, 0.1, 1, 10, 100, 1000, 10_000]
IN_ITS_UNIT: Final = (
    "datum.value < 1 ? 1000 * datum.value + ' µs' : "
    "datum.value < 1000 ? datum.value + ' ms' : datum.value / 1000 + ' s'"
)
ROWS: Final = 5  # of the borders, this many for a factor of ten are in the table


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return the map of a run's pipeline or function, or one for each kernel of a sweep of the work."""
    return tuple(_of_map(each, findings.answer) for each in findings.task_maps)


def _of_map(found: TaskMap, answer: Answer) -> Chart:
    what = ", ".join(dict.fromkeys((found.subject, found.kernel)))
    sentence = map_sentence(found, answer)
    return Chart(
        name=f"map-{slug(what)}",
        title=f"What finishes first: tasks like those of {what}",
        short=what,
        legend=MAP_LEGEND,
        description=f"What finishes a batch first, by the length of a task and the slots elsewhere. {sentence}",
        head=("length of a task", "best here", "Celery from slots elsewhere", "interval", "level"),
        rows=tuple(
            (
                seconds(each.length_s),
                CHOICES.get(each.here, each.here),
                NONE if each.slots is None else number(each.slots.point),
                NONE if each.slots is None or each.slots.low is None else slots_range(each.slots),
                level(each.slots),
            )
            for each in found.borders[::ROWS]
        ),
        spec=_spec(found),
        sentences=(sentence,),
    )


def _spec(found: TaskMap) -> Spec:
    strategies = list(dict.fromkeys([*(each.here for each in found.borders), "celery"]))
    names = [CHOICES.get(each, each) for each in strategies]
    scale = alt.Scale(
        type="log", domain=[1000 * found.borders[0].length_s, 1000 * found.borders[-1].length_s]
    )
    x = alt.X(
        "ms:Q",
        scale=scale,
        axis=alt.Axis(title="length of a task", values=DECADES_MS, labelExpr=IN_ITS_UNIT, grid=False),
    )
    rise = alt.Scale(type="log", base=2, domain=[1, MOST_SLOTS], nice=False)
    y = alt.Y("slots:Q", scale=rise, axis=alt.Axis(title="slots on other machines", format="d", grid=False))
    paint = alt.Color(
        "name:N",
        scale=alt.Scale(domain=names, range=[colour(each) for each in strategies]),
        legend=alt.Legend(
            title=None, orient="top", columns=columns(2, (420, 4)), symbolType="square", symbolOpacity=1
        ),
    )
    upright = {"y": alt.Y("low:Q", scale=rise), "y2": "high:Q"}
    border = alt.Chart(values(_celery(found)))
    own = [] if found.work_s is None else [_own(found)]
    point = alt.Chart(values(own))
    chart = alt.layer(
        alt.Chart(values(_bands(found)))
        .mark_rect(opacity=0.45)
        .encode(x=alt.X("from:Q", scale=scale), x2=alt.X2("to:Q"), color=paint, **upright),
        border.mark_area(opacity=1, color=colour("paper"), clip=True).encode(
            x=x, y=y, y2=alt.Y2("top:Q"), detail=alt.Detail("part:N")
        ),
        border.mark_area(opacity=0.55, clip=True).encode(
            x=x, y=y, y2=alt.Y2("top:Q"), detail=alt.Detail("part:N"), color=paint
        ),
        border.mark_area(opacity=0.5, color=colour("shade"), clip=True).encode(
            x=x, **upright, detail=alt.Detail("part:N")
        ),
        border.mark_line(color=colour("ink"), strokeWidth=1.5, clip=True).encode(
            x=x, y=y, detail=alt.Detail("part:N")
        ),
        point.mark_rule(color=colour("ink"), strokeDash=[3, 3]).encode(x=x),
        point.mark_point(
            filled=True, size=120, color=colour("ink"), stroke=colour("paper"), opacity=1
        ).encode(x=x, y=y),
        point.mark_text(align="left", dx=9, dy=-9, fontWeight="bold", color=colour("ink")).encode(
            x=x, y=y, text=alt.Text("label:N")
        ),
    )
    return with_config(chart, HEIGHT_PX)


def _bands(found: TaskMap) -> list[dict[str, Any]]:
    """Return from where to where each strategy is the best here."""
    runs = [list(group) for _, group in groupby(found.borders, key=lambda each: each.here)]
    starts = [1000 * each[0].length_s for each in runs]
    ends = [*starts[1:], 1000 * found.borders[-1].length_s]
    return [
        {
            "from": start,
            "to": end,
            "low": 1,
            "high": MOST_SLOTS,
            "name": CHOICES.get(each[0].here, each[0].here),
        }
        for each, start, end in zip(runs, starts, ends, strict=True)
    ]


def _celery(found: TaskMap) -> list[dict[str, Any]]:
    """Return the border of each range of lengths in which enough slots make Celery the first."""
    rows = []
    for part, (reached, group) in enumerate(groupby(found.borders, key=lambda each: each.slots is not None)):
        rows += [_row(each, part) for each in group] if reached else []
    return rows


def _row(border: Border, part: int) -> dict[str, Any]:
    slots = border.slots
    ends = (slots.point, slots.low or slots.point, slots.high or slots.point) if slots else (MOST_SLOTS,) * 3
    # Outside the map an area has no height; the scale would stretch to it.
    point, low, high = (min(float(MOST_SLOTS), max(1.0, each)) for each in ends)
    row = {"ms": 1000 * border.length_s, "slots": point, "low": low, "high": high}
    return {**row, "top": MOST_SLOTS, "part": part, "name": CHOICES["celery"]}


def _own(found: TaskMap) -> dict[str, Any]:
    """Return the point of the stage's own tasks, with as many slots elsewhere as there are here."""
    work_s = found.work_s or 0.0
    return {"ms": 1000 * work_s, "slots": found.slots, "label": f"{found.subject}, {seconds(work_s)}"}
