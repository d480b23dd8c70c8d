"""Does the interval of a break-even cover, on simulated sweeps whose crossing is known?

    python benchmarks/statistics/crossover.py [--quick] [--update-docs] [--cases 2000] [--seed 2026]

The work of a task grows along the axis. In-process it takes its work; Celery takes an overhead, a share of the
work to move payloads, and the work divided by its slots. The true crossing is anywhere in the middle of the
range. Every sweep goes through the functions that judge real ones. Exits with 1 if coverage is below 93 % by more
than two binomial errors, if fewer than nine sweeps in ten of a known kind are called so, or if more than one in fifty
that only reaches 1 is said to cross it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from math import exp, log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.scaling.crossover import BreakEven, SweepPoint, break_even

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]

KINDS = ("never", "always", "undecided", "perhaps", "crosses", "several")
LEAST = 0.93  # with few rounds intervals are wider, in case the rounds depend on each other
RIGHT = 0.9
ERROR = 0.02  # how often a verdict may call equal sides different
RANGE = (1.0, 256.0)
# True ratios along the axis, and the kind of such a sweep.
SHAPES = (
    ((1.02, 1.02, 1.02, 1.02, 1.02, 1.25), "never"),
    ((1.01, 1.01, 1.01, 1.02, 1.1, 1.4), "never"),
    ((0.97, 0.97, 0.97, 0.97, 0.97, 0.8), "always"),
    ((0.7, 0.75, 0.85, 1.0, 1.2, 1.4), "crosses"),
)
# True ratios of sweeps that reach 1 and do not pass it.
REACHING = (
    (2.0, 1.6, 1.3, 1.15, 1.05, 1.0),
    (4.0, 2.5, 1.6, 1.2, 1.0, 1.0),
    (1.3, 1.2, 1.1, 1.0, 1.0, 1.0),
    (0.7, 0.8, 0.9, 0.95, 0.98, 1.0),
)


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return 5 % of noise."""
    return 0.05 * rng.standard_normal(shape)


def wide(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return 20 % of noise."""
    return 0.20 * rng.standard_normal(shape)


def student(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return logarithms with Student's t of 2 degrees of freedom, which has no variance."""
    return 0.03 * rng.standard_t(2, shape)


def rounds_alike(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return 5 % of noise, and as much again that all cells of a round share."""
    return 0.05 * rng.standard_normal(shape) + 0.05 * rng.standard_normal((1, shape[1]))


NOISES: dict[str, Noise] = {
    "lognormal 5 %": lognormal,
    "lognormal 20 %": wide,
    "Student t, 2 df": student,
    "rounds alike": rounds_alike,
}


def celery_over_in_process(work: Floats, crossing: float, slots: int, moving: float) -> Floats:
    """Return the true ratio, which is 1 at the crossing."""
    overhead = crossing * (1 - moving - 1 / slots)
    return overhead / work + moving + 1 / slots


def sweep(
    rng: np.random.Generator, noise: Noise, points: int, rounds: int, slots: int
) -> tuple[float, BreakEven]:
    """Return the true crossing of a simulated sweep, and what is found."""
    low, high = (log(end) for end in RANGE)
    axis = np.exp(np.linspace(low, high, points))
    truth = exp(rng.uniform(low + 0.25 * (high - low), high - 0.25 * (high - low)))
    moving = rng.uniform(0.0, 0.3)
    logarithms = np.log(celery_over_in_process(axis, truth, slots, moving))[:, None] + noise(
        rng, (points, rounds)
    )
    return truth, break_even(
        [
            SweepPoint(float(at), dict(enumerate(np.exp(row))))
            for at, row in zip(axis, logarithms, strict=True)
        ]
    )


def covers(found: BreakEven, truth: float) -> bool:
    """Return whether an interval contains the truth; an open end contains everything beyond it."""
    return any(
        (each.low is None or each.low <= truth) and (each.high is None or truth <= each.high)
        for each in found.crossovers
    )


def coverage(page: Page, cases: int, seed: int) -> bool:
    """Print the table of coverages; return whether all are within their limits."""
    page.say("Share of the sweeps called a crossing whose interval covers the true one, and how wide it is:")
    page.say()
    page.head("noise", "points", "rounds", "slots", "covers", "called", "high / low")
    fine = True
    for name, noise in NOISES.items():
        for points, rounds, slots in ((6, 7, 2), (6, 7, 4), (6, 10, 2), (8, 7, 2), (8, 10, 4)):
            rng = np.random.default_rng([seed, len(name), points, rounds, slots])
            cases_ = [sweep(rng, noise, points, rounds, slots) for _ in range(cases)]
            called = [(truth, found) for truth, found in cases_ if found.kind in ("crosses", "several")]
            covered = float(np.mean([covers(found, truth) for truth, found in called]))
            widths = [c.high / c.low for _, found in called for c in found.crossovers if c.low and c.high]
            width = float(np.median(widths)) if widths else float("nan")
            error = sqrt(covered * (1 - covered) / len(called))
            fine &= covered >= LEAST - 2 * error
            counts = (str(points), str(rounds), str(slots))
            page.row(name, *counts, f"{covered:.1%}", f"{len(called) / cases:.1%}", f"{width:.2f}")
    return fine


def kinds(page: Page, cases: int, seed: int) -> bool:
    """Print what sweeps without a crossing are called; return whether most are called so."""
    page.say()
    page.say(
        "What a sweep is called that lies 10 % to one side everywhere, or at 1 (10 rounds, 5 % of noise):"
    )
    page.say()
    page.head("ratio everywhere", *KINDS)
    rng = np.random.default_rng(seed)
    axis = np.geomspace(*RANGE, 6)
    fine = True
    for level, right in ((1.1, "never"), (1 / 1.1, "always"), (1.0, "undecided")):
        counted: Counter[str] = Counter()
        for _ in range(cases):
            logarithms = log(level) + 0.05 * rng.standard_normal((6, 10))
            rows = zip(axis, np.exp(logarithms), strict=True)
            counted[break_even([SweepPoint(float(at), dict(enumerate(row))) for at, row in rows]).kind] += 1
        fine &= level == 1.0 or counted[right] >= RIGHT * cases
        page.row(f"{level:.2f}", *(f"{counted[kind] / cases:.1%}" for kind in KINDS))
    return fine


def shapes(page: Page, cases: int, seed: int) -> bool:
    """Print what sweeps of a known shape are called; return whether most are called so."""
    page.say()
    page.say("What a sweep of these true ratios is called (10 rounds, noise on either side's times):")
    page.say()
    page.head("ratios", "noise", *KINDS)
    axis = np.geomspace(*RANGE, 6)
    fine = True
    for number, (truth, right) in enumerate(SHAPES):
        for noise in (0.02, 0.05):
            rng = np.random.default_rng([seed, number, round(100 * noise)])
            counted: Counter[str] = Counter()
            for _ in range(cases):
                ours, theirs = noise * rng.standard_normal((2, 6, 10))
                rows = np.exp(np.log(truth)[:, None] + ours - theirs)
                points = [
                    SweepPoint(float(at), dict(enumerate(row))) for at, row in zip(axis, rows, strict=True)
                ]
                counted[break_even(points).kind] += 1
            fine &= counted[right] >= RIGHT * cases
            shares = (f"{counted[kind] / cases:.1%}" for kind in KINDS)
            page.row(", ".join(map(str, truth)), f"{noise:.0%}", *shares)
    return fine


def reaching(page: Page, cases: int, seed: int) -> bool:
    """Print how often a crossing is asserted, or thought possible, where the ratio ends at exactly 1."""
    page.say()
    page.say(
        "How often a crossing is asserted, and how often it is called possible, in sweeps that end at exactly 1:"
    )
    page.say()
    page.head("ratios", "noise", "rounds", "asserted", "perhaps")
    axis = np.geomspace(*RANGE, 6)
    fine = True
    for number, truth in enumerate(REACHING):
        for name, noise in NOISES.items():
            for rounds in (7, 10):
                rng = np.random.default_rng([seed, number, len(name), rounds])
                counted: Counter[str] = Counter()
                for _ in range(cases):
                    logarithms = np.log(truth)[:, None] + noise(rng, (6, rounds))
                    rows = zip(axis, np.exp(logarithms), strict=True)
                    points = [SweepPoint(float(at), dict(enumerate(row))) for at, row in rows]
                    counted[break_even(points).kind] += 1
                asserted = (counted["crosses"] + counted["several"]) / cases
                fine &= asserted <= ERROR + 2 * sqrt(ERROR * (1 - ERROR) / cases)
                shares = f"{asserted:.1%}", f"{counted['perhaps'] / cases:.1%}"
                page.row(", ".join(map(str, truth)), name, str(rounds), *shares)
    return fine


def main() -> int:
    """Print the tables; return 0 if everything is within limits."""
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=int, default=2000)
    arguments.add_argument("--seed", type=int, default=2026)
    options = arguments.parse_args()
    page = Page(__file__, options)
    cases = 40 if options.quick else options.cases
    fine = coverage(page, cases, options.seed)
    fine &= kinds(page, cases, options.seed)
    fine &= shapes(page, cases, options.seed)
    fine &= reaching(page, cases, options.seed)
    return page.verdict(
        fine,
        f"coverage at least {LEAST:.0%} but for chance, a sweep whose kind is known called so in {RIGHT:.0%} at least, "
        f"and a crossing asserted in at most {ERROR:.0%} of the sweeps that only reach 1.",
    )


if __name__ == "__main__":
    sys.exit(main())
