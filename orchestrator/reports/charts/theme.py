"""How charts look: one set of colours by name for light and dark, shapes, and Vega-Lite's configuration.

A specification says `var(--celery)` where it means a colour. On a page that is a CSS variable, so charts
follow the page from light to dark and onto paper with nothing drawn again; `resolved` puts the colours
themselves in for pictures.

Colours of strategies and hops: Okabe & Ito, "Color Universal Design", 2008, lighter or darker where the
contrast to the paper asks for it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import altair as alt

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
