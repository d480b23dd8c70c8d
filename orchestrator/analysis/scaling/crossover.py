"""Where Celery starts to pay along a swept axis: the crossing of its time with the baseline's.

Between two points of the axis a round's log-ratio is interpolated on the logarithm of the axis, by the cubic
through the four nearest points: a weighted mean of measured log-ratios of that same round. So at any place
the rounds give a sample to which the exact test applies, as it does at a measured point. A place
belongs to a crossing's interval if that test does not tell its ratio from 1.
Source: inverting a test, Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods", 3rd ed., 2014,
sec. 3.3; the set where two lines may cross, Fieller, J. R. Stat. Soc. B 16, 1954. benchmarks/statistics/crossover.py
measures how often the interval covers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import exp, log, log1p
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.intervals import (
    FEWEST_ROUNDS,
    critical_value,
    estimate,
    rank_test,
    walsh_averages,
)
from orchestrator.model.findings import Estimate

Floats: TypeAlias = NDArray[np.float64]
BreakEvenKind: TypeAlias = Literal["crosses", "several", "always", "never", "undecided"]
Side: TypeAlias = Literal[-1, 0, 1]
"""-1 where Celery surely takes less, 1 where it surely takes more, 0 where one cannot tell."""
Segment: TypeAlias = tuple[Side, int, int]
"""Neighbouring places on one side: the side, the first place, the last."""
Span: TypeAlias = tuple[float, float]
"""From where to where on the axis."""

STEPS: Final = 60
"""Places that are looked at between two points."""

FEWEST_POINTS: Final = 4
"""The cubic needs so many."""


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One place of the axis: `at`, above 0, and each round's ratio of Celery's time to the baseline's."""

    at: float
    ratios: Mapping[int, float]

    @property
    def ratio(self) -> Estimate | None:
        """The middle of the rounds' ratios with its interval."""
        return estimate([self.ratios[round_] for round_ in sorted(self.ratios)])


@dataclass(frozen=True, slots=True)
class Crossover:
    """One place where the ratio passes 1; `pays_above` tells on which side Celery takes less.

    An end of the interval that lies outside of the tested range is `None`.
    """

    at: float
    low: float | None
    high: float | None
    level: float
    pays_above: bool


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where Celery pays on a swept axis, of which `low` to `high` was tested.

    `crosses`: once. `several`: more than once. `always`, `never`: surely on one side in `sure`, and nowhere
    surely on the other; `unsure` has where one cannot tell. `undecided`: too few rounds or points, or nowhere
    a difference.
    """

    kind: BreakEvenKind
    low: float
    high: float
    crossings: tuple[Crossover, ...] = ()
    sure: tuple[Span, ...] = ()
    unsure: tuple[Span, ...] = ()
    points: tuple[SweepPoint, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether it is surely on one side wherever it was tested."""
        return self.kind in ("always", "never") and not self.unsure


def break_even(points: Sequence[SweepPoint], margin: float = 0.05) -> BreakEven:
    """Where the ratio passes 1, from the rounds that every point has.

    Args:
        points: of the axis, `FEWEST_POINTS` or more, in any order.
        margin: a side on which the ratio never lies further from 1 than this is none, for who looks at many
            places of a ratio that is 1 everywhere finds some that chance took away from it.

    Raises:
        ValueError: there are no points, or one is not above 0.
    """
    ordered = tuple(sorted(points, key=lambda point: point.at))
    if not ordered or ordered[0].at <= 0:
        raise ValueError(f"points of a logarithmic axis lie above 0, not at {[each.at for each in ordered]}")
    low, high = ordered[0].at, ordered[-1].at
    rounds = sorted(set.intersection(*(set(point.ratios) for point in ordered)))
    if len(rounds) < FEWEST_ROUNDS or len(ordered) < FEWEST_POINTS:
        return BreakEven("undecided", low, high, points=ordered)
    axis = np.array([log(point.at) for point in ordered])
    measured = np.array([[log(point.ratios[round_]) for round_ in rounds] for point in ordered])
    places = _places(axis)
    curve = _curve(places, interpolation(axis, places) @ measured)
    stretches = _merged(_stretches(curve), curve, log1p(margin))
    crossings = tuple(_crossings(stretches, curve, log1p(margin)))
    spans = [(side, (exp(places[first]), exp(places[last]))) for side, first, last in stretches]
    sure = tuple(span for side, span in spans if side)
    unsure = tuple(span for side, span in spans if not side)
    sides = {side for side, _, _ in stretches} - {0}
    if len(crossings) > 1:
        kind: BreakEvenKind = "several"
    elif crossings:
        kind = "crosses"
    elif sides:
        kind = "always" if sides == {-1} else "never"
    else:
        kind = "undecided"
    return BreakEven(kind, low, high, crossings, sure, unsure, ordered)


def interpolation(axis: Floats, places: Floats) -> Floats:
    """Weights, (places, points), that give a function's values at `places` from those on `axis`.

    Lagrange's cubic through the four points about a place; the first four or the last four near the ends.
    """
    firsts = np.clip(np.searchsorted(axis, places) - 2, 0, len(axis) - FEWEST_POINTS)
    weights, rows = np.zeros((len(places), len(axis))), np.arange(len(places))
    nodes = axis[firsts[:, None] + np.arange(FEWEST_POINTS)]
    for index in range(FEWEST_POINTS):
        others = np.delete(nodes, index, axis=1)
        parts = (places[:, None] - others) / (nodes[:, index, None] - others)
        weights[rows, firsts + index] = np.prod(parts, axis=1)
    return weights


def _places(axis: Floats) -> Floats:
    """Every point, and places between them."""
    between = [np.linspace(one, other, STEPS, endpoint=False) for one, other in pairwise(axis)]
    return np.append(np.concatenate(between), axis[-1])


@dataclass(frozen=True, slots=True)
class _Curve:
    """The log-ratio along the axis: its middle at each place, and its interval."""

    places: Floats
    points: Floats
    low: Floats
    high: Floats
    level: float

    def side(self, index: int) -> Side:
        """On which side of 1 a place surely is."""
        return 1 if self.low[index] > 0 else -1 if self.high[index] < 0 else 0


def _curve(places: Floats, logarithms: Floats) -> _Curve:
    """`estimates.estimate` at every place at once, from log-ratios of shape (places, rounds)."""
    ordered = np.sort(walsh_averages(logarithms), axis=1)
    k, level = critical_value(rank_test(logarithms.shape[1]))
    return _Curve(places, np.median(ordered, axis=1), ordered[:, k], ordered[:, -1 - k], level)


def _stretches(curve: _Curve) -> list[Segment]:
    """Runs of places on one side.

    Two sure stretches that touch had no place between them that one cannot tell: then there is one of the
    width of a step.
    """
    stretches: list[Segment] = []
    for side, group in groupby(range(len(curve.places)), key=curve.side):
        indices = list(group)
        if stretches and side and stretches[-1][0] == -side:
            stretches.append((0, indices[0] - 1, indices[0]))
        stretches.append((side, indices[0], indices[-1]))
    return stretches


def _merged(stretches: Sequence[Segment], curve: _Curve, margin: float) -> list[Segment]:
    """The stretches, those that stay within the margin of 1 taken as ones that one cannot tell."""
    merged: list[Segment] = []
    for side, first, last in stretches:
        far = float(np.abs(curve.points[first : last + 1]).max()) > margin
        if not (side and far) and merged and merged[-1][0] == 0:
            merged[-1] = (0, merged[-1][1], last)
        else:
            merged.append((side if far else 0, first, last))
    return merged


def _crossings(stretches: Sequence[Segment], curve: _Curve, margin: float) -> list[Crossover]:
    """A crossing for every stretch that one cannot tell between two sides that differ.

    An unsure stretch at an end of the axis has no neighbour there: the side is then the one on which the end
    itself lies, and the interval is open. Only a sure neighbour has an edge.
    """
    crossings = []
    for index, (side, first, last) in enumerate(stretches):
        opens, closes = index == 0, index == len(stretches) - 1
        if side != 0 or (opens and closes):
            continue
        before = _leaning(curve, first, margin) if opens else stretches[index - 1][0]
        after = _leaning(curve, last, margin) if closes else stretches[index + 1][0]
        at = _passes(curve, first, last)
        if at is None or before != -after:
            continue
        crossings.append(
            Crossover(
                at,
                low=None if opens else _edge(curve, first, first - 1),
                high=None if closes else _edge(curve, last, last + 1),
                level=curve.level,
                pays_above=after == -1,
            )
        )
    return crossings


def _leaning(curve: _Curve, index: int, margin: float) -> Side:
    """The side on which the middle of a place lies, be it sure or not; 0 within the margin of 1."""
    point = curve.points[index]
    return 0 if abs(point) <= margin else 1 if point > 0 else -1


def _edge(curve: _Curve, unsure: int, sure: int) -> float:
    """Where, between two neighbouring places, the interval's end passes 1."""
    ends = curve.low if curve.low[sure] > 0 else curve.high
    share = float(np.clip(ends[unsure] / (ends[unsure] - ends[sure]), 0.0, 1.0))
    return exp(curve.places[unsure] + share * (curve.places[sure] - curve.places[unsure]))


def _passes(curve: _Curve, first: int, last: int) -> float | None:
    """Where the point passes 1 between two places; the middle one of several, `None` where it does not."""
    lower, upper = max(0, first - 1), min(len(curve.places) - 1, last + 1)
    above = curve.points[lower : upper + 1] > 0
    passing = lower + np.flatnonzero(above[1:] != above[:-1])
    if not len(passing):
        return None
    index = int(passing[len(passing) // 2])
    here, there = curve.points[index], curve.points[index + 1]
    share = here / (here - there)
    return exp(curve.places[index] + share * (curve.places[index + 1] - curve.places[index]))
