"""What every chart is made of: its words and data, colours, and axes with a row a cell."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import altair as alt

from orchestrator.model.findings import Findings
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import TIMES

VEGA_LITE: Final = "6.4"
"""The release of Vega-Lite that altair writes and vl-convert brings along."""

LIGHT: Final = {
    "paper": "#ffffff",
    "raised": "#f6f7f9",
    "ink": "#1b1f24",
    "muted": "#57606a",
    "line": "#d5dae0",
    "band": "#e6e9ee",
    "shade": "#c3cad2",
    "link": "#0550ae",
    "serial": "#6b7480",
    "threads": "#0072b2",
    "processes": "#00805d",
    "vectorized": "#a8478a",
    "celery": "#c75300",
    "helps": "#00694d",
    "hurts": "#a83e00",
    "ties": "#41546b",
    "inconclusive": "#7a3b6d",
    "invalid": "#8c1d18",
}
DARK: Final = {
    "paper": "#14171b",
    "raised": "#1d2127",
    "ink": "#e8ebef",
    "muted": "#a3acb8",
    "line": "#363c45",
    "band": "#2a2f37",
    "shade": "#4a525d",
    "link": "#79b8ff",
    "serial": "#a3acb8",
    "threads": "#56b4e9",
    "processes": "#2fc79c",
    "vectorized": "#e39cca",
    "celery": "#ff9040",
    "helps": "#3fd0a4",
    "hurts": "#ff9a57",
    "ties": "#a9bcd4",
    "inconclusive": "#e0a3d3",
    "invalid": "#ff8a80",
}

SHAPES: Final = {
    "serial": "square",
    "threads": "circle",
    "processes": "triangle-up",
    "vectorized": "cross",
    "celery": "diamond",
}

LEGS: Final = {
    "publish": ("#56b4e9", "#000000"),
    "queue": ("#e69f00", "#000000"),
    "fetch": ("#009e73", "#000000"),
    "compute": ("#0072b2", "#ffffff"),
    "store": ("#cc79a7", "#000000"),
    "return": ("#f0e442", "#000000"),
    "unexplained": ("#999999", "#000000"),
}
"""A hop's fill and the colour of what is written on it: the same in light and dark."""

FONT: Final = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
)
ROW_PX: Final = 24
CHARACTER_PX: Final = 6.6


def colour(name: str) -> str:
    """The colour of that name, as a specification says it; ink for a name that has none."""
    return f"var(--{name if name in LIGHT else 'ink'})"


def shape(strategy: str) -> str:
    """A strategy's point, so that colour is not all that tells it."""
    return SHAPES.get(strategy, "stroke")


def config() -> dict[str, Any]:
    """Vega-Lite's configuration, the same for every chart."""
    return {
        "font": FONT,
        "background": "transparent",
        # Marks without roles: who shows a chart tells in its own words what it shows.
        "aria": False,
        "view": {"stroke": None},
        "axis": {
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
        },
        "legend": {
            "labelColor": colour("ink"),
            "labelFontSize": 12,
            "titleColor": colour("muted"),
            "symbolStrokeWidth": 0,
        },
        "text": {"color": colour("ink"), "fontSize": 12},
    }


def columns(fewest: int, *more: tuple[int, int]) -> alt.ExprRef:
    """Columns of a legend: the fewest, and from each width of the chart's place on, so many.

    By the place's width, which a page sets, and not by that of the chart within: it is found from the legend's
    own size, and a legend that then takes another row is cut. A picture has no place; it is wide.
    """
    chosen = f"{fewest}"
    for least_px, many in more:
        chosen = f"(place >= {least_px} ? {many} : {chosen})"
    place = "(width && isFinite(containerSize()[0]) ? containerSize()[0] : 1000)"
    return alt.ExprRef(chosen.replace("place", place))


def resolved(value: Any, colours: dict[str, str]) -> Any:
    """A specification with the colours themselves in place of their names."""
    if isinstance(value, dict):
        return {key: resolved(each, colours) for key, each in value.items()}
    if isinstance(value, list):
        return [resolved(each, colours) for each in value]
    if isinstance(value, str) and (match := re.fullmatch(r"var\(--([a-z]+)\)", value)):
        return colours.get(match[1], value)
    return value


Spec: TypeAlias = dict[str, Any]
"""A Vega-Lite specification; its colours are names of `look`, such as `var(--celery)`."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart with its words.

    `name` is fit for a file name and unique in a report. `title` is for where it stands alone, `short` for
    where the heading of its kind stands above. `legend` says how to read every chart of its kind, `caption`
    what is to be said of this one, if anything; `description` in a sentence what it shows, for who cannot
    see it; `sentences` are the findings that it stands for. `head` and `rows` are its figures as a table.
    `spec` has no width: whoever shows it sets one.
    """

    name: str
    title: str
    short: str
    legend: str
    caption: str
    description: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    spec: Spec
    sentences: tuple[str, ...] = ()


Draw: TypeAlias = Callable[[Run, Findings], tuple[Drawing, ...]]
"""The drawings of one kind that a run gives; none where it has nothing for them."""


def slug(text: str) -> str:
    """A name that is fit for a file name and an id, whatever a result file says."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


LONGEST_NAME_PX: Final = 200
SEPARATOR: Final = "\u241f"
"""A sign for a separator, for the separator itself may not stand in an SVG."""
BY_KEY: Final = "datum.value"
BY_PLACE: Final = "rows[datum.value]"
"""Where an axis finds a row's key: in its value, or under its number in the parameter `rows`."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row's heading, name and figure; a row with no name shows its heading alone."""

    heading: str
    name: str = ""
    figure: str = ""

    @property
    def key(self) -> str:
        """What the chart knows the row by."""
        return SEPARATOR.join((self.heading, self.name, self.figure))


def named(cells: Iterable[Cell]) -> dict[Cell, tuple[str, str]]:
    """Each cell's heading and name in a stage's chart, in the chart's order: what belongs together, together.

    The slots are said where they tell cells apart.
    """
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
            f"{cell_name(cell)} on {cell.slots}" if len(slots[kinds[cell]]) > 1 else cell_name(cell),
        )
        for cell in known
    }


def grouped(rows: Iterable[Row]) -> list[Row]:
    """The rows, each heading's own row before its first."""
    result: list[Row] = []
    for row in rows:
        if not result or result[-1].heading != row.heading:
            result.append(Row(row.heading))
        result.append(row)
    return result


def names_axis(rows: Sequence[Row], key: str = BY_KEY, places: Sequence[int] | None = None) -> alt.Axis:
    """The left axis: names, flush left, and headings in bold."""
    longest = max(len(row.name or row.heading) for row in rows)
    heading = f"{_part(key, 1)} === ''"
    return alt.Axis(
        title=None,
        orient="left",
        grid=False,
        domain=False,
        ticks=False,
        labelAlign="left",
        labelPadding=min(math.ceil(longest * CHARACTER_PX), LONGEST_NAME_PX) + 8,
        labelLimit=LONGEST_NAME_PX,
        labelOverlap=False,
        labelExpr=f"{heading} ? {_part(key, 0)} : {_part(key, 1)}",
        **_at(places),
        labelFontWeight={"condition": {"test": heading, "value": "bold"}, "value": "normal"},
    )


def figures_axis(key: str = BY_KEY, places: Sequence[int] | None = None) -> alt.Axis:
    """The right axis: each row's figure."""
    return alt.Axis(
        title=None,
        orient="right",
        domain=False,
        ticks=False,
        grid=False,
        labelOverlap=False,
        labelExpr=_part(key, 2),
        **_at(places),
    )


def _part(key: str, number: int) -> str:
    return f"split({key}, '\\u241f')[{number}]"


def _at(places: Sequence[int] | None) -> dict[str, Any]:
    return {} if places is None else {"values": list(places)}


def y(rows: Sequence[Row], axis: alt.Axis | None) -> alt.Y:
    """The rows from top to bottom."""
    return alt.Y("row:N", sort=None, axis=axis, scale=alt.Scale(domain=[row.key for row in rows]))


def values(rows: Iterable[dict[str, Any]]) -> alt.InlineData:
    """Rows of data, within the specification."""
    return alt.InlineData(values=list(rows))


def ratio_domain(ends: Sequence[float]) -> tuple[float, float]:
    """The ratios that an axis spans: all of them and 1, a quarter to either side at least."""
    return min(*ends, 0.8) / 1.06, max(*ends, 1.25) * 1.06


def ratio_axis(title: str, low: float, high: float) -> alt.Axis:
    """An axis of ratios: 0.5, 1, 2 times."""
    return alt.Axis(
        title=title,
        values=ratio_ticks(low, high),
        labelExpr=f"format(datum.value, '~g') + '{TIMES}'",
        gridDash=[2, 3],
    )


def ratio_ticks(low: float, high: float) -> list[float]:
    """Round ratios between two, for a logarithmic axis: 0.5, 1, 2; finer where they are close."""
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
