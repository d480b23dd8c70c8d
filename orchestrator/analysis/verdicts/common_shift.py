"""What two runs of the same code differ by, and what is left of a change once that is taken away.

A machine that is slower for an hour moves every row, and rows on several slots more than others; a slower kernel moves
its own. So a kernel's rows are judged against the same rows of the other kernels and the reference loop, and the
threshold comes from how much those differ among themselves. All on logarithms. docs/explanation/compare.md.
Sources: Smyth, "Linear models and empirical Bayes methods for assessing differential expression", Stat. Appl. Genet.
Mol. Biol. 3, 2004 (a variance from few values, held by an assumed one); Holm, Scand. J. Statist. 6, 1979.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, hypot, log, pi, sqrt
from statistics import median
from typing import Final, TypeVar

from orchestrator.analysis.stats.student_t import quantile, two_sided_p
from orchestrator.model.findings import Estimate

K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=Hashable)

# Standard deviations of log ratios between two runs of the same code, held against few measured ones.
ROW_SPREAD: Final = 0.04  # of a row about the same rows of other kernels
SERIAL_SPREAD: Final = 0.02  # of a serial row about those of other kernels
KERNEL_SPREAD: Final = 0.02  # of a kernel's middle row
STRATEGY_SPREAD: Final = 0.08  # of a strategy about the others: another load slows them unequally
ASSUMED_WEIGHT: Final = 4  # measured values that each assumption is worth
NORMAL: Final = 1.4826  # standard deviations of a normal distribution in its median absolute deviation
LEVEL: Final = 0.95  # of the intervals


@dataclass(frozen=True, slots=True)
class Rest:
    """A log ratio less the common shift, with its standard error; Student's t with `freedom` degrees."""

    log_ratio: float
    error: float
    freedom: int

    @property
    def p_value(self) -> float:
        """The chance of a rest this large if the code is the same."""
        return two_sided_p(self.log_ratio / self.error, self.freedom)

    @property
    def estimate(self) -> Estimate:
        """The ratio that is left, with its interval."""
        reach = quantile(LEVEL, self.freedom) * self.error
        ends = (exp(self.log_ratio - reach), exp(self.log_ratio + reach))
        return Estimate(exp(self.log_ratio), *ends, LEVEL)

    def smallest(self, p_value: float) -> float:
        """Return the smallest change that would have this p-value, as a share."""
        return exp(quantile(1 - p_value, self.freedom) * self.error) - 1


def rests(
    ratios: Mapping[K, Mapping[S, tuple[float, float]]],
    reference: float | None,
    spread_of_rows: float = ROW_SPREAD,
) -> tuple[dict[tuple[K, S], Rest], dict[K, Rest]]:
    """Return the rest of each row, and of each kernel with several rows; none without anything to judge by.

    Args:
        ratios: By kernel and by strategy, a row's log ratio and its standard error by its rounds.
        reference: The log ratio of the reference loop; `None` if a run has none.
        spread_of_rows: The standard deviation that is assumed of a row about the same rows of other kernels.
    """
    rows: dict[tuple[K, S], Rest] = {}
    kernels: dict[K, Rest] = {}
    for kernel, own in ratios.items():
        others = {other: each for other, each in ratios.items() if other != kernel}
        centres = _centres(own.keys() | {s for each in others.values() for s in each}, others, reference)
        apart = [
            [ratio - centres[s][0] for s, (ratio, _) in each.items() if s in centres]
            for each in others.values()
        ]
        freedom = ASSUMED_WEIGHT + max(0, len(others) - 1)
        of_rows = _spread([each for group in apart for each in group], len(others), spread_of_rows)
        of_kernels = _spread([median(group) for group in apart], len(others), KERNEL_SPREAD)
        judged = {s: each for s, each in own.items() if s in centres}
        for s, (ratio, error) in judged.items():
            centre, size = centres[s]
            rows[kernel, s] = Rest(ratio - centre, hypot(of_rows, error, _of_median(of_rows, size)), freedom)
        if len(judged) > 1:
            left = median(ratio - centres[s][0] for s, (ratio, _) in judged.items())
            error = median(error for _, error in judged.values()) / sqrt(len(judged))
            size = min(centres[s][1] for s in judged)
            kernels[kernel] = Rest(left, hypot(of_kernels, error, _of_median(of_kernels, size)), freedom)
    return rows, kernels


def rests_of_serial_rows(
    ratios: Mapping[K, Mapping[S, tuple[float, float]]],
    reference: float | None,
    is_serial: Callable[[S], bool],
) -> dict[K, Rest]:
    """Return the rest of each kernel's serial row, the steadiest if it has several.

    All of its time is the kernel's, and it varies less than rows on several slots.
    """
    steadiest = {
        kernel: {None: min(serial, key=lambda each: each[1])}
        for kernel, own in ratios.items()
        if (serial := [each for s, each in own.items() if is_serial(s)])
    }
    return {kernel: rest for (kernel, _), rest in rests(steadiest, reference, SERIAL_SPREAD)[0].items()}


def rests_of_strategies(
    ratios: Mapping[K, Mapping[S, tuple[float, float]]], reference: float | None
) -> dict[S, Rest]:
    """Return the rest of each strategy with several kernels, against the other strategies."""
    by_strategy: dict[S, list[float]] = {}
    for each in ratios.values():
        for s, (ratio, _) in each.items():
            by_strategy.setdefault(s, []).append(ratio)
    found = {}
    for s, own in by_strategy.items():
        others = [median(each) for other, each in by_strategy.items() if other != s]
        others += [] if reference is None else [reference]
        if len(own) > 1 and len(others) > 1:
            centre = median(others)
            spread = _spread([each - centre for each in others], len(others), STRATEGY_SPREAD)
            error = hypot(spread, _of_median(spread, len(others)))
            found[s] = Rest(median(own) - centre, error, ASSUMED_WEIGHT + len(others) - 1)
    return found


def shift(ratios: Mapping[K, Mapping[S, tuple[float, float]]], reference: float | None) -> Estimate | None:
    """Return the ratio that all kernels and the reference loop have in common; `None` of none."""
    middles = [median(ratio for ratio, _ in each.values()) for each in ratios.values() if each]
    middles += [] if reference is None else [reference]
    if not middles:
        return None
    centre = median(middles)
    spread = _spread([each - centre for each in middles], len(middles), KERNEL_SPREAD)
    freedom = ASSUMED_WEIGHT + len(middles) - 1
    return Rest(centre, _of_median(spread, len(middles)), freedom).estimate


def log_ratio(old: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """Return the middle of the log ratios of new to old, and its standard error by their rounds."""
    logarithms = [[log(each) for each in side] for side in (old, new)]
    middle = median(b - a for a in logarithms[0] for b in logarithms[1])
    return middle, hypot(*(NORMAL * _deviation(side) * sqrt(pi / 3 / len(side)) for side in logarithms))


def holm(p_values: Mapping[K, float], share: float = 1.0) -> dict[K, float]:
    """Return Holm's adjusted p-values: those up to a level hold together at this share of that level."""
    adjusted: dict[K, float] = {}
    largest = 0.0
    for rank, key in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[key] / share))
        adjusted[key] = largest
    return adjusted


def _deviation(values: Sequence[float]) -> float:
    middle = median(values)
    return median(abs(each - middle) for each in values)


def _centres(
    strategies: Collection[S], kernels: Mapping[K, Mapping[S, tuple[float, float]]], reference: float | None
) -> dict[S, tuple[float, int]]:
    """The middle of the same row of these kernels and of the reference loop, and of how many values."""
    found = {}
    for s in strategies:
        values = [each[s][0] for each in kernels.values() if s in each]
        values += [] if reference is None else [reference]
        if values:
            found[s] = median(values), len(values)
    return found


def _of_median(spread: float, values: int) -> float:
    """The standard error of the median of as many values of a normal distribution."""
    return spread * sqrt(pi / 2 / values)


def _spread(rests: Sequence[float], values: int, assumed: float) -> float:
    """The standard deviation of rests about their centre, held by the assumed one where values are few."""
    measured = NORMAL * median(map(abs, rests)) if rests else 0.0
    weight = max(0, values - 1)
    return sqrt((ASSUMED_WEIGHT * assumed**2 + weight * measured**2) / (ASSUMED_WEIGHT + weight))
