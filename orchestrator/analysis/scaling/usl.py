"""The Universal Scalability Law, fitted to throughput over slots, or a refusal that says why not.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

lambda is one slot's throughput, sigma contention (what is done one at a time), kappa coherency (what each
has to settle with every other). Source: N. J. Gunther, "Guerrilla Capacity Planning", 2007, ch. 4 to 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import exp, inf, sqrt
from statistics import fmean
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.bootstrap import bootstrapped, resamples
from orchestrator.analysis.stats.intervals import centre, ratio
from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import number, percent

Floats: TypeAlias = NDArray[np.float64]
Curve: TypeAlias = tuple[float, float, float]
"""lambda, sigma, kappa."""

FEWEST_POINTS: Final = 4
"""Three parameters pass through any three points: with nothing left over the law could not be wrong."""

WORST_FIT: Final = 0.15
"""A typical distance from the best curve, relative, from which on it is not this law."""

VAGUEST: Final = 0.5
"""An interval of sigma so wide says neither that slots add up nor that they get in each other's way."""

ROUNDING: Final = 1e-9
"""A coherency below this is what arithmetic leaves of none."""


@dataclass(frozen=True, slots=True)
class Scalability:
    """The law fitted: one slot's tasks a second, contention, coherency, and the slots of the peak.

    `peak_slots` is `None` where coherency is none, or may be: then more slots need never give less. `points` are the
    numbers of slots that it was fitted to, `left_out` those that the cores could not serve. `misfit` is the
    typical relative distance of the points from the curve.
    """

    lambda_per_s: Estimate
    sigma: Estimate
    kappa: Estimate
    peak_slots: Estimate | None
    points: tuple[int, ...]
    left_out: tuple[int, ...]
    misfit: float
    rounds: int
    draws: tuple[Curve, ...] = field(repr=False, default=())

    def throughput_per_s(self, slots: float) -> Estimate:
        """Tasks a second that the law gives at a number of slots, measured or not; its interval is the band."""
        point = law(self.curve, slots)
        return bootstrapped(point, [law(drawn, slots) for drawn in self.draws], self.rounds)

    @property
    def curve(self) -> Curve:
        """The three parameters."""
        return self.lambda_per_s.point, self.sigma.point, self.kappa.point


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no law is fitted: `kind` for programs, `reason` for people."""

    kind: str
    reason: str


def law(curve: Curve, slots: float) -> float:
    """Throughput at a number of slots."""
    one, sigma, kappa = curve
    return one * slots / (1 + sigma * (slots - 1) + kappa * slots * (slots - 1))


def peak_slots(curve: Curve) -> float:
    """The slots of the highest throughput, N* = sqrt((1 - sigma) / kappa); infinite without coherency."""
    _, sigma, kappa = curve
    if kappa <= 0:
        return inf if sigma < 1 else 1.0
    return max(1.0, sqrt(max(0.0, 1 - sigma) / kappa))


def fit(
    throughputs: Mapping[int, Mapping[int, float]], servable: float | None = None
) -> Scalability | Refusal:
    """The law through measured throughputs, or why it cannot be identified.

    Args:
        throughputs: slots to round to tasks a second.
        servable: how many slots the cores can truly run; points beyond are left out. `None` sets no limit.
    """
    kept = {slots: throughputs[slots] for slots in sorted(throughputs) if slots <= (servable or inf)}
    left_out = tuple(slots for slots in sorted(throughputs) if slots not in kept)
    refusal = _too_few(kept, left_out, servable) or _valley(kept)
    if refusal is not None:
        return refusal
    rounds = sorted(set.intersection(*(set(of) for of in kept.values())))
    if not rounds:
        return Refusal("no common round", "no round measured every number of slots, so they share no drift")
    curve = _curve(kept, rounds)
    misfit = _misfit(kept, rounds, curve)
    if misfit > WORST_FIT:
        return Refusal(
            "misfit",
            f"throughputs lie {percent(misfit)} off the best curve: what limits them is not of this form, "
            "or the rounds are too unsteady",
        )
    draws = tuple(_curve(kept, drawn) for drawn in resamples(rounds))
    found = _scalability(curve, draws, tuple(kept), left_out, misfit, len(rounds))
    low, high = found.sigma.low, found.sigma.high
    if low is not None and high is not None and high - low > VAGUEST:
        return Refusal(
            "noise",
            f"contention may be anything from {number(low)} to {number(high)}: measure more rounds, or slots "
            "further apart",
        )
    return found


def _curve(throughputs: Mapping[int, Mapping[int, float]], rounds: Sequence[int]) -> Curve:
    """The curve through the rounds' middles, with the least relative errors of 1 / X.

    N / X = a + b (N - 1) + c N (N - 1) is linear in a = 1 / lambda, b = sigma / lambda, c = kappa / lambda,
    and a relative error of 1 / X is one of X, to first order. So the best of all bounded curves is found
    exactly, by trying each set of bounds that may hold.
    """
    slots = np.array(list(throughputs), dtype=np.float64)
    logarithms = [np.log([of[round_] for round_ in rounds]) for of in throughputs.values()]
    scale = np.exp([centre(each) for each in logarithms]) / slots
    columns = np.stack([np.ones_like(slots), slots - 1, slots * (slots - 1)], axis=1) * scale[:, None]
    a, b, c = least_squares_from_0(columns, np.ones_like(slots))
    return 1 / a, b / a, c / a


def least_squares_from_0(columns: Floats, target: Floats) -> tuple[float, float, float]:
    """Weights of three columns, the first positive and the others not below 0, that come closest to a target."""
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


def _scalability(
    curve: Curve,
    draws: tuple[Curve, ...],
    points: tuple[int, ...],
    left_out: tuple[int, ...],
    misfit: float,
    rounds: int,
) -> Scalability:
    one, sigma, kappa = (
        bootstrapped(curve[index], [drawn[index] for drawn in draws], rounds) for index in range(3)
    )
    peak = bootstrapped(peak_slots(curve), [peak_slots(drawn) for drawn in draws], rounds)
    peak_known = kappa.point > ROUNDING and (peak.high is None or peak.high < inf)
    return Scalability(
        one, sigma, kappa, peak if peak_known else None, points, left_out, misfit, rounds, draws
    )


def _too_few(kept: Mapping[int, object], left_out: Sequence[int], servable: float | None) -> Refusal | None:
    if len(kept) >= FEWEST_POINTS:
        return None
    if left_out:
        return Refusal(
            "more slots than cores",
            f"the cores can run {number(servable or 0)} slots of this work at once, and beyond that slots share "
            f"cores; {len(kept)} of {len(kept) + len(left_out)} numbers of slots are left, and the law's three "
            f"parameters need {FEWEST_POINTS}: measure on more cores",
        )
    return Refusal(
        "too few points",
        f"{len(kept)} numbers of slots, and a law of three parameters passes through any three: measure "
        f"{FEWEST_POINTS} or more",
    )


def _valley(kept: Mapping[int, Mapping[int, float]]) -> Refusal | None:
    """Refused if throughput surely falls and surely rises again: the law has one peak and no valley."""
    slots = list(kept)
    for index, middle in enumerate(slots[1:-1], start=1):
        fell = [each for each in slots[:index] if _below(kept[middle], kept[each])]
        rises = [each for each in slots[index + 1 :] if _below(kept[middle], kept[each])]
        if fell and rises:
            return Refusal(
                "valley",
                f"throughput is lower at {middle} slots than at {fell[-1]} and at {rises[0]}: the law has no "
                "such valley; look for what else changed there",
            )
    return None


def _below(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    found = ratio(one, other)
    return found is not None and found.high is not None and found.high < 1


def _misfit(kept: Mapping[int, Mapping[int, float]], rounds: Sequence[int], curve: Curve) -> float:
    """The root of the mean squared relative distance of the points from the curve, per degree of freedom."""
    distances = [
        (law(curve, slots) / exp(centre(np.log([of[round_] for round_ in rounds]))) - 1) ** 2
        for slots, of in kept.items()
    ]
    return sqrt(fmean(distances) * len(distances) / (len(distances) - 3))
