"""Where Celery starts to pay along a swept axis: the crossover of its time and the baseline's.

A crossover is asserted only between two measured points that differ from 1 by the verdict's own rule, one on each
side. Where it lies comes from a cubic through the four nearest points, which interpolates each round's log-ratio on the
logarithm of the axis. A position belongs to the interval if its ratio cannot be told from 1.
Source: inverting a test, Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods", 3rd ed., 2014,
sec. 3.3; Fieller, J. R. Stat. Soc. B 16, 1954. Coverage: benchmarks/statistics/crossover.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import exp, log, log1p
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, beyond_one, estimate
from orchestrator.model.findings import Estimate

Floats: TypeAlias = NDArray[np.float64]
BreakEvenKind: TypeAlias = Literal["crosses", "several", "perhaps", "always", "never", "undecided"]
Side: TypeAlias = Literal[-1, 0, 1]  # -1: Celery takes significantly less time, 1: more, 0: not significant
Span: TypeAlias = tuple[float, float]  # from and to, on the axis

STEPS: Final = 24  # positions examined between two points
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

    It `crosses` once, `several` times, or `perhaps`: one side is significant, and the curve passes 1 without becoming
    significant on the other. It is `always` or `never` faster if the `significant` points are all on one side, and
    `undecided` with too few rounds or points, or without a significant one.
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
        """Whether every point is significantly on one side."""
        return self.kind in ("always", "never") and not self.unclear

    @property
    def pays(self) -> bool:
        """Whether Celery is significantly faster somewhere."""
        if self.kind != "perhaps":
            return self.kind in ("crosses", "several", "always")
        # The significant side of a suspected crossover is the one whose end of the interval is known.
        suspected = self.crossovers[0]
        return suspected.pays_above == (suspected.low is None)


def break_even(points: Sequence[SweepPoint], margin: float = 0.05) -> BreakEven:
    """Find where the ratio passes 1.

    Args:
        points: of the sweep; the curve between them comes from the rounds that all of them have.
        margin: how far from 1 a ratio must be to count, at least what equal cells differ by.

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
    sides = [side_of(point, margin) for point in ordered]
    significant, unclear = _spans(ordered, sides, clear=True), _spans(ordered, sides, clear=False)
    if not any(sides):
        return BreakEven("undecided", low, high, (), (), unclear, ordered)
    curve = _Curve(ordered, rounds)
    clear = [index for index, side in enumerate(sides) if side]
    found = [
        curve.crossover(one, other, sides[other] < 0)
        for one, other in pairwise(clear)
        if sides[one] == -sides[other]
    ]
    kind: BreakEvenKind = "always" if sides[clear[0]] < 0 else "never"
    if found:
        kind = "crosses" if len(found) == 1 else "several"
    else:
        found = _suspected(ordered, sides, curve, margin)
        kind = "perhaps" if found else kind
    return BreakEven(kind, low, high, tuple(found), significant, unclear, ordered)


def side_of(point: SweepPoint, margin: float) -> Side:
    """Return on which side of 1 a point is by the verdict's rule, 0 if that is unclear."""
    ratio = point.ratio
    return 0 if ratio is None else _sign(beyond_one(ratio, margin))


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


def _sign(value: float) -> Side:
    return 1 if value > 0 else -1 if value < 0 else 0


def _spans(points: Sequence[SweepPoint], sides: Sequence[Side], clear: bool) -> tuple[Span, ...]:
    """Return from where to where neighbouring points are on the same side, or on none."""
    groups = (list(group) for _, group in groupby(range(len(points)), key=sides.__getitem__))
    return tuple((points[g[0]].at, points[g[-1]].at) for g in groups if bool(sides[g[0]]) == clear)


def _suspected(
    points: Sequence[SweepPoint], sides: Sequence[Side], curve: _Curve, margin: float
) -> list[Crossover]:
    """Return the crossover beyond the last significant point, or before the first, that no test confirms.

    At the end of the range the ratio must lie on the other side by more than the margin.
    """
    clear = [index for index, side in enumerate(sides) if side]
    last = len(points) - 1
    found = []
    for inner, end in ((clear[-1], last), (clear[0], 0)):
        ratio = points[end].ratio
        beyond = 0 if ratio is None or abs(log(ratio.point)) <= log1p(margin) else _sign(log(ratio.point))
        if beyond == -sides[inner]:
            pays_above = (beyond if end == last else sides[inner]) < 0
            crossover = curve.crossover(min(inner, end), max(inner, end), pays_above)
            found.append(replace(crossover, high=None) if end == last else replace(crossover, low=None))
    return found


class _Curve:
    """The ratio between measured points, with its interval, from the rounds that all points have."""

    def __init__(self, points: Sequence[SweepPoint], rounds: Sequence[int]) -> None:
        self._axis = np.array([log(point.at) for point in points])
        self._measured = np.array([[log(point.ratios[round_]) for round_ in rounds] for point in points])

    def crossover(self, one: int, other: int, pays_above: bool) -> Crossover:
        """Find where the ratio passes 1 between two points that lie on different sides of it.

        Where it passes several times, the middle one counts, and the interval spans all.
        """
        positions = np.linspace(self._axis[one], self._axis[other], 1 + STEPS * (other - one))
        logarithms = interpolation(self._axis, positions) @ self._measured
        ratios = [each for row in np.exp(logarithms) if (each := estimate(list(row))) is not None]
        middle = np.log([each.point for each in ratios])
        passing = np.flatnonzero((middle[1:] > 0) != (middle[:-1] > 0))
        index = int(passing[len(passing) // 2]) if len(passing) else len(positions) // 2 - 1
        at = _root(positions, middle, index, index + 1)
        # Significant at the first position, the ends of the interval are near 1 at those that are not.
        ends = [(log(each.low or each.point), log(each.high or each.point)) for each in ratios]
        first_side = 1 if pays_above else -1
        before = np.array([low if first_side > 0 else -high for low, high in ends])
        after = np.array([-high if first_side > 0 else low for low, high in ends])
        left, right = np.flatnonzero(before <= 0), np.flatnonzero(after <= 0)
        low = _root(positions, before, left[0] - 1, left[0]) if len(left) and left[0] else exp(positions[0])
        last = len(positions) - 1
        high = (
            _root(positions, after, right[-1], right[-1] + 1)
            if len(right) and right[-1] < last
            else exp(positions[-1])
        )
        level = min((each.level for each in ratios if each.level is not None), default=0.0)
        return Crossover(at, min(low, at), max(high, at), level, pays_above)


def _root(positions: Floats, values: Floats, one: int, other: int) -> float:
    """Return where values pass 0 between two neighbouring positions, on the axis itself."""
    share = float(np.clip(values[one] / (values[one] - values[other]), 0.0, 1.0))
    return exp(positions[one] + share * (positions[other] - positions[one]))
