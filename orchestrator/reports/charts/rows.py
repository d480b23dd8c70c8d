"""Charts with a row a cell: names down the left, figures down the right, both as axes of the chart itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt

from orchestrator.model.runs import Cell
from orchestrator.phrases.typeset import TIMES
from orchestrator.reports.charts.theme import CHARACTER_PX

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


def short_name(cell: Cell) -> str:
    """The cell's name in a chart: `celery redis/4`; transport and chunk are what tells Celery's cells apart."""
    parts = [cell.strategy]
    if cell.distributed:
        parts.append(f"{cell.transport}/{cell.chunk}")
    if cell.data == "resident":
        parts.append("stays")
    if cell.events == "on":
        parts.append("events")
    if cell.replica:
        parts.append("again")
    return " ".join(parts)


def full_name(cell: Cell) -> str:
    """The cell's name where its kernel is not beside it."""
    slots = f"{cell.slots} slot{'s' if cell.slots > 1 else ''}"
    return ", ".join(part for part in (short_name(cell), cell.kernel, cell.work, slots) if part)


def named(cells: Iterable[Cell]) -> dict[Cell, tuple[str, str]]:
    """Each cell's heading and name in a stage's chart, in the chart's order: what belongs together, together.

    The slots are said where they tell cells apart.
    """
    known = list(cells)
    headings = {cell: " ".join(filter(None, (cell.kernel, cell.work))) for cell in known}
    kinds = {cell: (headings[cell], short_name(cell)) for cell in known}
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
            f"{short_name(cell)} on {cell.slots}" if len(slots[kinds[cell]]) > 1 else short_name(cell),
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
