"""Where Celery starts to pay along a swept axis: the crossover of its time and the baseline's.

A cubic through the four nearest points interpolates each round's log-ratio on the logarithm of the axis, so that every
round has a value at every position and the exact test applies as it does at a measured point. A position belongs to a
crossover's interval if the test cannot distinguish its ratio from 1.
Source: inverting a test, Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods", 3rd ed., 2014,
sec. 3.3; Fieller, J. R. Stat. Soc. B 16, 1954. Coverage: benchmarks/statistics/crossover.py.
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
Side: TypeAlias = Literal[-1, 0, 1]  # -1: Celery takes significantly less time, 1: more, 0: not significant
Segment: TypeAlias = tuple[Side, int, int]  # of neighbouring positions: their side, the first and the last
Span: TypeAlias = tuple[float, float]  # from and to, on the axis

STEPS: Final = 60  # positions examined between two points
FEWEST_POINTS: Final = 4  # that a cubic needs


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """A measured value of the axis, above 0, and each round's ratio of Celery's time to the baseline's."""

    at: float
    ratios: Mapping[int, float]

    @property
    def ratio(self) -> Estimate | None:
        """The middle of the rounds' ratios."""
        return estimate([self.ratios[round_] for round_ in sorted(self.ratios)])


@dataclass(frozen=True, slots=True)
class Crossover:
    """A position at which the ratio passes 1, and the side on which Celery pays."""

    at: float
    low: float | None  # `None` is outside the tested range
    high: float | None
    level: float
    pays_above: bool


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Where Celery pays on a swept axis that was tested from `low` to `high`.

    It `crosses` once, `several` times, is `always` or `never` significantly faster on `significant` and nowhere on
    the other side, or is `undecided`: too few rounds or points, or no significant difference.
    """

    kind: BreakEvenKind
    low: float
    high: float
    crossovers: tuple[Crossover, ...] = ()
    significant: tuple[Span, ...] = ()
    unclear: tuple[Span, ...] = ()
    points: tuple[SweepPoint, ...] = ()

    @property
    def everywhere(self) -> bool:
        """Whether it is significantly on one side in the whole tested range."""
        return self.kind in ("always", "never") and not self.unclear


def break_even(points: Sequence[SweepPoint], margin: float = 0.05) -> BreakEven:
    """Find where the ratio passes 1, from the rounds that every point has.

    A segment nowhere further from 1 than `margin` counts as unclear: among many positions of a ratio that is 1
    everywhere, some are significant by chance.

    Raises:
        ValueError: there are no points, or one is not above 0.
    """
    ordered = tuple(sorted(points, key=lambda point: point.at))
    if not ordered or ordered[0].at <= 0:
        raise ValueError(
            f"the points of a logarithmic axis must lie above 0, not at {[each.at for each in ordered]}"
        )
    low, high = ordered[0].at, ordered[-1].at
    rounds = sorted(set.intersection(*(set(point.ratios) for point in ordered)))
    if len(rounds) < FEWEST_ROUNDS or len(ordered) < FEWEST_POINTS:
        return BreakEven("undecided", low, high, points=ordered)
    axis = np.array([log(point.at) for point in ordered])
    measured = np.array([[log(point.ratios[round_]) for round_ in rounds] for point in ordered])
    positions = _positions(axis)
    curve = _curve(positions, interpolation(axis, positions) @ measured)
    segments = _merged(_segments(curve), curve, log1p(margin))
    crossovers = tuple(_crossovers(segments, curve, log1p(margin)))
    spans = [(side, (exp(positions[first]), exp(positions[last]))) for side, first, last in segments]
    significant = tuple(span for side, span in spans if side)
    unclear = tuple(span for side, span in spans if not side)
    sides = {side for side, _, _ in segments} - {0}
    of_sides: BreakEvenKind = "always" if sides == {-1} else "never" if sides else "undecided"
    kind = of_sides if not crossovers else "crosses" if len(crossovers) == 1 else "several"
    return BreakEven(kind, low, high, crossovers, significant, unclear, ordered)


def interpolation(axis: Floats, positions: Floats) -> Floats:
    """Return the weights that interpolate values on `axis` at `positions`, of shape (positions, points).

    Lagrange's cubic through the four points around a position; the first or the last four near the ends.
    """
    firsts = np.clip(np.searchsorted(axis, positions) - 2, 0, len(axis) - FEWEST_POINTS)
    weights, rows = np.zeros((len(positions), len(axis))), np.arange(len(positions))
    nodes = axis[firsts[:, None] + np.arange(FEWEST_POINTS)]
    for index in range(FEWEST_POINTS):
        others = np.delete(nodes, index, axis=1)
        parts = (positions[:, None] - others) / (nodes[:, index, None] - others)
        weights[rows, firsts + index] = np.prod(parts, axis=1)
    return weights


def _positions(axis: Floats) -> Floats:
    between = [np.linspace(one, other, STEPS, endpoint=False) for one, other in pairwise(axis)]
    return np.append(np.concatenate(between), axis[-1])


@dataclass(frozen=True, slots=True)
class _Curve:
    """The log-ratio at each position of the axis, with its interval."""

    positions: Floats
    points: Floats
    low: Floats
    high: Floats
    level: float

    def side(self, index: int) -> Side:
        return 1 if self.low[index] > 0 else -1 if self.high[index] < 0 else 0


def _curve(positions: Floats, logarithms: Floats) -> _Curve:
    """Compute `intervals.estimate` at every position at once, from log-ratios of shape (positions, rounds)."""
    ordered = np.sort(walsh_averages(logarithms), axis=1)
    k, level = critical_value(rank_test(logarithms.shape[1]))
    return _Curve(positions, np.median(ordered, axis=1), ordered[:, k], ordered[:, -1 - k], level)


def _segments(curve: _Curve) -> list[Segment]:
    """Split the positions by side, with an unclear step between two opposite segments that touch."""
    segments: list[Segment] = []
    for side, group in groupby(range(len(curve.positions)), key=curve.side):
        indices = list(group)
        if segments and side and segments[-1][0] == -side:
            segments.append((0, indices[0] - 1, indices[0]))
        segments.append((side, indices[0], indices[-1]))
    return segments


def _merged(segments: Sequence[Segment], curve: _Curve, margin: float) -> list[Segment]:
    """Turn the segments that stay within the margin of 1 into unclear ones."""
    merged: list[Segment] = []
    for side, first, last in segments:
        far = float(np.abs(curve.points[first : last + 1]).max()) > margin
        if not (side and far) and merged and merged[-1][0] == 0:
            merged[-1] = (0, merged[-1][1], last)
        else:
            merged.append((side if far else 0, first, last))
    return merged


def _crossovers(segments: Sequence[Segment], curve: _Curve, margin: float) -> list[Crossover]:
    """Find a crossover in every unclear segment between two opposite sides.

    An unclear segment at an end of the axis has no neighbour there: the end's own point decides the side, and the
    interval is open.
    """
    crossovers = []
    for index, (side, first, last) in enumerate(segments):
        opens, closes = index == 0, index == len(segments) - 1
        if side != 0 or (opens and closes):
            continue
        before = _leaning(curve, first, margin) if opens else segments[index - 1][0]
        after = _leaning(curve, last, margin) if closes else segments[index + 1][0]
        at = _passes(curve, first, last)
        if at is None or before != -after:
            continue
        low = None if opens else _edge(curve, first, first - 1)
        high = None if closes else _edge(curve, last, last + 1)
        crossovers.append(Crossover(at, low, high, curve.level, pays_above=after == -1))
    return crossovers


def _leaning(curve: _Curve, index: int, margin: float) -> Side:
    """Return the side of a position's point, significant or not; 0 within the margin of 1."""
    point = curve.points[index]
    return 0 if abs(point) <= margin else 1 if point > 0 else -1


def _edge(curve: _Curve, unclear: int, clear: int) -> float:
    """Return where the interval's end passes 1 between two neighbouring positions."""
    ends = curve.low if curve.low[clear] > 0 else curve.high
    return _root(curve.positions, ends, unclear, clear)


def _passes(curve: _Curve, first: int, last: int) -> float | None:
    """Return where the point passes 1 between two positions, the middle one of several; `None` if nowhere."""
    lower, upper = max(0, first - 1), min(len(curve.positions) - 1, last + 1)
    above = curve.points[lower : upper + 1] > 0
    passing = lower + np.flatnonzero(above[1:] != above[:-1])
    if not len(passing):
        return None
    index = int(passing[len(passing) // 2])
    return _root(curve.positions, curve.points, index, index + 1)


def _root(positions: Floats, values: Floats, one: int, other: int) -> float:
    """Return where values pass 0 between two neighbouring positions, on the axis itself."""
    share = float(np.clip(values[one] / (values[one] - values[other]), 0.0, 1.0))
    return exp(positions[one] + share * (positions[other] - positions[one]))
