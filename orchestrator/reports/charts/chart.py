"""What every chart is made of: its text and data, colours, and axes with one row per cell.

A specification names a colour as `var(--celery)`, so that charts follow the page to dark and to paper."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import altair as alt

from orchestrator.analysis.analyse import Findings
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import LEAST_DECIMAL, NONE, TIMES, level, ratio_interval, times

VEGA_LITE: Final = "6.4"  # the release that altair writes and vl-convert bundles

# Each colour for light and for dark. Strategies and hops: Okabe & Ito, "Color Universal Design", 2008, made lighter
# or darker where the contrast to the paper requires it.
COLOURS: Final = {
    "paper": ("#ffffff", "#14171b"),
    "raised": ("#f6f7f9", "#1d2127"),
    "ink": ("#1b1f24", "#e8ebef"),
    "muted": ("#57606a", "#a3acb8"),
    "line": ("#d5dae0", "#363c45"),
    "band": ("#e6e9ee", "#2a2f37"),
    "shade": ("#c3cad2", "#4a525d"),
    "link": ("#0550ae", "#79b8ff"),
    "serial": ("#6b7480", "#a3acb8"),
    "threads": ("#0072b2", "#56b4e9"),
    "processes": ("#00805d", "#2fc79c"),
    "vectorized": ("#a8478a", "#e39cca"),
    "celery": ("#c75300", "#ff9040"),
    "helps": ("#00694d", "#3fd0a4"),
    "hurts": ("#a83e00", "#ff9a57"),
    "ties": ("#41546b", "#a9bcd4"),
    "inconclusive": ("#7a3b6d", "#e0a3d3"),
    "invalid": ("#8c1d18", "#ff8a80"),
}
LIGHT: Final = {name: light for name, (light, _) in COLOURS.items()}
DARK: Final = {name: dark for name, (_, dark) in COLOURS.items()}

# So that colour is not the only difference between strategies.
SHAPES: Final = {
    "serial": "square",
    "threads": "circle",
    "processes": "triangle-up",
    "vectorized": "cross",
    "celery": "diamond",
}

# The fill of a hop and the colour of the text on it, the same in light and dark.
HOP_COLOURS: Final = {
    "publish": ("#56b4e9", "#000000"),
    "queue": ("#e69f00", "#000000"),
    "fetch": ("#009e73", "#000000"),
    "compute": ("#0072b2", "#ffffff"),
    "store": ("#cc79a7", "#000000"),
    "return": ("#f0e442", "#000000"),
    "unexplained": ("#999999", "#000000"),
}

FONT: Final = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
)
ROW_PX: Final = 24
CHARACTER_PX: Final = 6.6
LONGEST_NAME_PX: Final = 200
SEPARATOR: Final = "\u241f"  # the symbol for a separator: the control character may not stand in an SVG
BY_KEY: Final = "datum.value"  # an axis finds the key of a row in its value
BY_NUMBER: Final = "rows[datum.value]"  # ... or in the parameter `rows`, by the number of the row

OWN_ROW_AXES: Final = alt.Resolve(axis=alt.AxisResolveMap(y="independent"))  # of layers: names and figures

Spec: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart and its text."""

    name: str  # unique in a report, and fit for a file name
    title: str  # for a chart that stands alone
    short: str  # below the heading of its kind
    legend: str  # how to read every chart of this kind
    description: str  # for readers who cannot see the chart
    head: tuple[str, ...]  # of its figures as a table
    rows: tuple[tuple[str, ...], ...]
    spec: Spec  # without a width
    caption: str = ""  # what applies to this chart only
    sentences: tuple[str, ...] = ()  # the findings that it illustrates


Draw: TypeAlias = Callable[[Run, Findings], tuple[Chart, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """The heading, name and figure of a row; a row without a name shows its heading only."""

    heading: str
    name: str = ""
    figure: str = ""

    @property
    def key(self) -> str:
        """Return the value by which the chart knows the row."""
        return SEPARATOR.join((self.heading, self.name, self.figure))


def slug(text: str) -> str:
    """Return a name fit for a file name and an id, from any text in a result file."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def colour(name: str) -> str:
    """Return the reference to a colour; to ink for an unknown name."""
    return f"var(--{name if name in LIGHT else 'ink'})"


def shape(strategy: str) -> str:
    """Return the shape of the points of a strategy."""
    return SHAPES.get(strategy, "stroke")


def with_config(chart: Any, height_px: int) -> Spec:
    """Return the specification of a chart of a height with the configuration that all charts share.

    Its height and its axes are not set by methods of `chart`: each would copy every layer several times.
    """
    axis = {
        "labelColor": colour("ink"),
        "titleColor": colour("muted"),
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 12,
        "gridColor": colour("line"),
        "domainColor": colour("line"),
        "tickColor": colour("line"),
        "labelOverlap": True,
        "labelSeparation": 8,
    }
    legend = {
        "labelColor": colour("ink"),
        "labelFontSize": 12,
        "titleColor": colour("muted"),
        "symbolStrokeWidth": 0,
    }
    config = {
        "font": FONT,
        "background": "transparent",
        "aria": False,  # the page describes each chart in a sentence; single marks would only be noise
        "view": {"stroke": None},
        "axis": axis,
        "legend": legend,
        "text": {"color": colour("ink"), "fontSize": 12},
    }
    spec: Spec = chart.to_dict(validate=False)
    datasets = {name: json.loads(rows) for name, rows in spec["datasets"].items()}
    return {**spec, "height": height_px, "datasets": datasets, "config": config}


def columns(fewest: int, *more: tuple[int, int]) -> alt.ExprRef:
    """Return how many columns a legend has: the fewest, then pairs of a width in pixels and those from there on."""
    # The width of the chart itself would depend on the size of the legend, and a legend that then needs another row
    # is cut off; so the width of the element around it counts. A picture has no such element, and is wide.
    width = "(width && isFinite(containerSize()[0]) ? containerSize()[0] : 1000)"
    chosen = f"{fewest}"
    for least_px, many in more:
        chosen = f"({width} >= {least_px} ? {many} : {chosen})"
    return alt.ExprRef(chosen)


def resolved(value: Any, colours: dict[str, str]) -> Any:
    """Return a specification with colours in place of the references to them."""
    if isinstance(value, dict):
        return {key: resolved(each, colours) for key, each in value.items()}
    if isinstance(value, list):
        return [resolved(each, colours) for each in value]
    if isinstance(value, str) and (match := re.fullmatch(r"var\(--([a-z]+)\)", value)):
        return colours.get(match[1], value)
    return value


def named(cells: Iterable[Cell]) -> dict[Cell, tuple[str, str]]:
    """Return the heading and name of each cell of a stage, in the order of the chart: by kernel, kind and slots."""
    known = list(cells)
    headings = {cell: " ".join(filter(None, (cell.kernel, cell.work))) for cell in known}
    kinds = {cell: (headings[cell], cell_name(cell)) for cell in known}
    slots: dict[tuple[str, str], set[int]] = {}
    for cell in known:
        slots.setdefault(kinds[cell], set()).add(cell.slots)
    heading_order, kind_order = list(dict.fromkeys(headings.values())), list(slots)
    known.sort(
        key=lambda cell: (heading_order.index(headings[cell]), kind_order.index(kinds[cell]), cell.slots)
    )
    return {
        cell: (
            headings[cell],
            f"{cell_name(cell)}{f' on {cell.slots}' if len(slots[kinds[cell]]) > 1 else ''}",
        )
        for cell in known
    }


def grouped(rows: Iterable[Row]) -> list[Row]:
    """Return the rows, with a row for each heading above the first that has it."""
    result: list[Row] = []
    for row in rows:
        if not result or result[-1].heading != row.heading:
            result.append(Row(row.heading))
        result.append(row)
    return result


def names_axis(rows: Sequence[Row], key: str = BY_KEY, numbers: Sequence[int] | None = None) -> alt.Axis:
    """Return the left axis: names, and headings in bold."""
    longest = max(len(row.name or row.heading) for row in rows)
    heading = f"{_part(key, 1)} === ''"
    return _row_axis(
        "left",
        f"{heading} ? {_part(key, 0)} : {_part(key, 1)}",
        numbers,
        labelAlign="left",
        labelPadding=min(math.ceil(longest * CHARACTER_PX), LONGEST_NAME_PX) + 8,
        labelLimit=LONGEST_NAME_PX,
        labelFontWeight={"condition": {"test": heading, "value": "bold"}, "value": "normal"},
    )


def figures_axis(key: str = BY_KEY, numbers: Sequence[int] | None = None) -> alt.Axis:
    """Return the right axis: the figure of each row."""
    return _row_axis("right", _part(key, 2), numbers)


def _row_axis(side: Any, label: str, numbers: Sequence[int] | None, **more: Any) -> alt.Axis:
    at: dict[str, Any] = {} if numbers is None else {"values": list(numbers)}
    return alt.Axis(
        title=None,
        orient=side,
        grid=False,
        domain=False,
        ticks=False,
        labelOverlap=False,
        labelExpr=label,
        **at,
        **more,
    )


def _part(key: str, number: int) -> str:
    return f"split({key}, '\\u241f')[{number}]"


def row_scale(rows: Sequence[Row], axis: alt.Axis | None) -> alt.Y:
    """Return the encoding of rows from top to bottom."""
    return alt.Y("row:N", sort=None, axis=axis, scale=alt.Scale(domain=[row.key for row in rows]))


def values(rows: Iterable[dict[str, Any]]) -> alt.InlineData:
    """Return data that stands within the specification.

    As text until `with_config`: altair copies every value of a list several times, which takes half of the time.
    """
    return alt.InlineData(values=json.dumps(list(rows)))


def tooltips(*names: str) -> list[alt.Tooltip]:
    """Return a tooltip with these fields."""
    return [alt.Tooltip(f"{name}:N") for name in names]


def points(chart: alt.Chart, **more: Any) -> Any:
    """Return marks for the points of estimates."""
    return chart.mark_point(filled=True, size=100, opacity=1, stroke=colour("paper"), strokeWidth=1, **more)


def ends(estimate: Estimate | None) -> dict[str, float]:
    """Return where the bar of an estimate begins and ends; without an interval, both are its point."""
    point = 1.0 if estimate is None else estimate.point
    low, high = (estimate.low, estimate.high) if estimate else (None, None)
    return {"low": low or point, "high": high or point}


def ratio_text(ratio: Estimate | None) -> dict[str, str]:
    """Return what the tooltip of a ratio shows."""
    span = ratio_interval(ratio)
    return {"times": times(ratio), "interval": f"{span} ({level(ratio)})" if span else NONE}


def ratio_rows(
    data: Sequence[dict[str, Any]], rows: Sequence[Row], title: str, margin: float, *shown: str
) -> Spec:
    """Return a chart with a row per ratio: its point and interval on a logarithmic axis, around a line at 1.

    `data` has `row` (the key of one of `rows`), `ratio`, `low`, `high`, `colour`, `shape` and the tooltip's fields
    `shown`; differences within `margin` are shaded.
    """
    low, high = ratio_domain([each[end] for each in data for end in ("low", "ratio", "high")])
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    x = alt.X("ratio:Q", scale=scale, axis=ratio_axis(title, low, high))
    base = alt.Chart(values(data))
    common = {"color": alt.Color("colour:N", scale=None), "tooltip": tooltips(*shown)}
    shaded = [{"from": max(1 / (1 + margin), low), "to": min(1 + margin, high)}]
    chart = alt.layer(
        alt.Chart(values(shaded))
        .mark_rect(color=colour("band"), opacity=1)
        .encode(x=alt.X("from:Q", scale=scale), x2=alt.X2("to:Q")),
        alt.Chart(values([{"ratio": 1}])).mark_rule(color=colour("ink"), strokeWidth=1.5).encode(x=x),
        base.mark_rule(strokeWidth=2.5, strokeCap="round").encode(
            x=alt.X("low:Q"), x2=alt.X2("high:Q"), y=row_scale(rows, figures_axis()), **common
        ),
        points(base).encode(
            x=x, y=row_scale(rows, names_axis(rows)), shape=alt.Shape("shape:N", scale=None), **common
        ),
        resolve=OWN_ROW_AXES,
    )
    return with_config(chart, ROW_PX * len(rows))


def ratio_domain(ends: Sequence[float]) -> tuple[float, float]:
    """Return the range of an axis: all ratios and 1, and at least a quarter on either side of it."""
    return min(*ends, 0.8) / 1.06, max(*ends, 1.25) * 1.06


def ratio_axis(title: str, low: float, high: float, along: str = "width", label_px: int = 44) -> alt.Axis:
    """Return an axis of ratios from `low` to `high`, labelled 1/20×, 0.5×, 1×, 2×.

    1× is labelled at any size of the chart; another tick only if it is `label_px` away from those before it.
    """
    ticks = ratio_ticks(low, high)
    # The size of the chart, in pixels, from which each tick has room, the most important first.
    room = {1.0: 0.0}
    for tick in sorted((each for each in ticks if each != 1), key=lambda each: -abs(math.log(each))):
        nearest = min(abs(math.log(tick / other)) for other in room)
        room[tick] = label_px * math.log(high / low) / nearest
    shown = " : ".join(f"datum.value === {tick:g} ? {along} >= {px:.0f}" for tick, px in room.items())
    text = f"datum.value < {LEAST_DECIMAL} ? '1/' + format(1 / datum.value, '~r') : format(datum.value, '~g')"
    return alt.Axis(
        title=title,
        values=ticks,
        labelExpr=f"({shown} : false) ? ({text}) + '{TIMES}' : ''",
        labelOverlap=False,
        gridDash=[2, 3],
    )


def ratio_ticks(low: float, high: float) -> list[float]:
    """Return round ratios for a logarithmic axis: 0.5, 1, 2; finer where `low` and `high` are close."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in (
        (1.0,),
        (1.0, 2.0, 5.0),
        (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
        (1, 1.1, 1.2, 1.3, 1.5, 1.7, 2, 7, 8, 9),
    ):
        ticks = [round(step * 10.0**decade, 6) for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 4:
            break
    return ticks
