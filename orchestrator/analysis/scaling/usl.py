"""The Universal Scalability Law, fitted to throughput over slots, or the reason why it cannot be.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

lambda is one slot's throughput, sigma contention (serialised work), kappa coherency (work that each pair of slots
causes). Source: N. J. Gunther, "Guerrilla Capacity Planning", 2007, ch. 4 to 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb, exp, inf, log, log1p, sqrt
from statistics import fmean, stdev
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.bootstrap import bootstrapped, resamples
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, centre, paired
from orchestrator.analysis.stats.student_t import quantile as student_quantile
from orchestrator.model.findings import Estimate

Floats: TypeAlias = NDArray[np.float64]
Throughputs: TypeAlias = Mapping[int, Mapping[int, float]]  # slots to round to tasks a second
Curve: TypeAlias = tuple[float, float, float]  # lambda, sigma, kappa
RefusalKind: TypeAlias = Literal[
    "too few points", "more slots than cores", "valley", "no common round", "misfit", "noise"
]

FEWEST_POINTS: Final = 4  # any three points fit three parameters exactly, so the law could not be wrong
VALLEY_LEVEL: Final = 0.05  # share of plateaus that may be taken for a valley
WORST_FIT: Final = 0.15  # typical relative distance from the curve of points that still follow the law
WIDEST_SIGMA: Final = 0.5  # width of an interval of sigma that neither excludes nor shows contention
ROUNDING: Final = 1e-9  # a coherency below it is a rounding error


@dataclass(frozen=True, slots=True)
class Scalability:
    """The fitted law."""

    lambda_per_s: Estimate
    sigma: Estimate
    kappa: Estimate
    peak_slots: Estimate | None  # those with the highest throughput; `None` if coherency may be zero
    points: tuple[int, ...]  # the numbers of slots it was fitted to
    left_out: tuple[int, ...]  # those that are more than the cores can run
    misfit: float  # the typical relative distance of the points from the curve
    rounds: int
    draws: tuple[Curve, ...] = field(repr=False, default=())  # of the resampled rounds

    def throughput_per_s(self, slots: float) -> Estimate:
        """Estimate the tasks a second at any number of slots."""
        point = law(self.curve, slots)
        return bootstrapped(point, [law(drawn, slots) for drawn in self.draws], self.rounds)

    @property
    def curve(self) -> Curve:
        """The three parameters."""
        return self.lambda_per_s.point, self.sigma.point, self.kappa.point


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no law is fitted, with the figures that show it."""

    kind: RefusalKind
    figures: Mapping[str, float] = field(default_factory=dict)


def law(curve: Curve, slots: float) -> float:
    """Compute the throughput at a number of slots."""
    one, sigma, kappa = curve
    return one * slots / (1 + sigma * (slots - 1) + kappa * slots * (slots - 1))


def peak_slots(curve: Curve) -> float:
    """Compute the slots of the peak, N* = sqrt((1 - sigma) / kappa); infinite without coherency."""
    _, sigma, kappa = curve
    if kappa <= 0:
        return inf if sigma < 1 else 1.0
    return max(1.0, sqrt(max(0.0, 1 - sigma) / kappa))


def fit(
    throughputs: Throughputs, servable: float | None = None, margin: float = 0.05
) -> Scalability | Refusal:
    """Fit the law to measured throughputs, if they identify it.

    Points beyond the slots that the cores can run at once (`servable`) are left out. Differences up to `margin` do not
    matter.
    """
    kept = {slots: throughputs[slots] for slots in sorted(throughputs) if slots <= (servable or inf)}
    left_out = tuple(slots for slots in sorted(throughputs) if slots not in kept)
    if len(kept) < FEWEST_POINTS:
        figures = {"points": len(kept), "measured": len(throughputs), "servable": servable or 0.0}
        return Refusal("more slots than cores" if left_out else "too few points", figures)
    refusal = valley(kept, margin)
    if refusal is not None:
        return refusal
    rounds = sorted(set.intersection(*(set(by_round) for by_round in kept.values())))
    if not rounds:
        return Refusal("no common round")
    curve = _curve(kept, rounds)
    misfit = _misfit(kept, rounds, curve)
    if misfit > WORST_FIT:
        return Refusal("misfit", {"misfit": misfit})
    draws = tuple(_curve(kept, drawn) for drawn in resamples(rounds))
    one, sigma, kappa = (
        bootstrapped(of_all, drawn, len(rounds)) for of_all, *drawn in zip(curve, *draws, strict=True)
    )
    if sigma.low is not None and sigma.high is not None and sigma.high - sigma.low > WIDEST_SIGMA:
        return Refusal("noise", {"low": sigma.low, "high": sigma.high})
    peak = bootstrapped(peak_slots(curve), [peak_slots(drawn) for drawn in draws], len(rounds))
    peak_known = kappa.point > ROUNDING and (peak.high is None or peak.high < inf)
    points = tuple(kept)
    return Scalability(
        one, sigma, kappa, peak if peak_known else None, points, left_out, misfit, len(rounds), draws
    )


def _curve(throughputs: Throughputs, rounds: Sequence[int]) -> Curve:
    """Fit the curve with the least relative errors of 1 / X to the rounds' centres.

    N / X = a + b (N - 1) + c N (N - 1) is linear in a = 1 / lambda, b = sigma / lambda, c = kappa / lambda, and a
    relative error of 1 / X is one of X, to first order. Trying each set of active bounds finds the optimum exactly.

    Published fits minimise absolute errors of X, to which the few slots that show contention hardly matter; but on a
    shared machine noise grows with the throughput. docs/explanation/scaling.md compares both.
    """
    slots = np.array(list(throughputs), dtype=np.float64)
    logarithms = [np.log([of[round_] for round_ in rounds]) for of in throughputs.values()]
    scale = np.exp([centre(each) for each in logarithms]) / slots
    columns = np.stack([np.ones_like(slots), slots - 1, slots * (slots - 1)], axis=1) * scale[:, None]
    a, b, c = _nonnegative_least_squares(columns, np.ones_like(slots))
    return 1 / a, b / a, c / a


def _nonnegative_least_squares(columns: Floats, target: Floats) -> tuple[float, float, float]:
    """Return the weights of three columns, the first above 0 and the others at least 0, closest to the target."""
    best, weights = inf, (1.0, 0.0, 0.0)
    for size in (3, 2, 1):
        for chosen in combinations(range(3), size):
            if chosen[0] != 0:
                continue
            found = np.linalg.lstsq(columns[:, chosen], target, rcond=None)[0]
            error = float(np.sum((columns[:, chosen] @ found - target) ** 2))
            if found[0] > 0 and (found >= 0).all() and error < best:
                full = dict(zip(chosen, found, strict=True))
                best, weights = error, (float(found[0]), float(full.get(1, 0.0)), float(full.get(2, 0.0)))
    return weights


def valley(throughputs: Throughputs, margin: float = 0.05) -> Refusal | None:
    """Refuse if throughput falls and rises again, significantly and by more than `margin`: the law has no valley.

    Student's t test on the logarithms of each pair of points, at a level divided by the number of pairs (Bonferroni),
    so that a plateau of any number of points is refused in at most 5 % of cases.
    """
    slots = sorted(throughputs)
    level = 1 - VALLEY_LEVEL / max(1, comb(len(slots), 2))
    for index, middle in enumerate(slots[1:-1], start=1):
        higher = [
            each
            for each in slots
            if each != middle and _below(throughputs[middle], throughputs[each], level, log1p(margin))
        ]
        before, after = (
            [each for each in higher if each in part] for part in (slots[:index], slots[index + 1 :])
        )
        if before and after:
            return Refusal("valley", {"slots": middle, "before": before[-1], "after": after[0]})
    return None


def _below(one: Mapping[int, float], other: Mapping[int, float], level: float, least: float) -> bool:
    logarithms = [log(one[round_] / other[round_]) for round_ in paired(one, other)]
    if len(logarithms) < FEWEST_ROUNDS or fmean(logarithms) > -least:
        return False
    error = stdev(logarithms) / sqrt(len(logarithms))
    return -fmean(logarithms) > student_quantile(level, len(logarithms) - 1) * error


def _misfit(kept: Throughputs, rounds: Sequence[int], curve: Curve) -> float:
    """Return the root mean square of the points' relative distances from the curve, per degree of freedom."""
    distances = [
        (law(curve, slots) / exp(centre(np.log([of[round_] for round_ in rounds]))) - 1) ** 2
        for slots, of in kept.items()
    ]
    return sqrt(fmean(distances) * len(distances) / (len(distances) - 3))
