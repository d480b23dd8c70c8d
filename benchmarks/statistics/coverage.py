"""Do intervals cover, and do verdicts keep their level, on simulated rounds whose truth is known?

    python benchmarks/statistics/coverage.py [--quick] [--cases 20000] [--seed 2026] [--update-docs]

Prints seven tables, which docs/measurements/statistics.md explains, through the functions that judge real runs.
Exits with 1 if a figure is out of its limits: paired intervals cover in at least 93 % of the cases, and at 49
rounds in at most 97 %, also after `--rounds auto` and where rounds depend on each other; equal sides are called
different no more often than the level allows, in at most 2 % where rounds depend on each other and in at most
5 % where something disturbs one side alone. Tables 5 and part of 7 have no limits: they show what happens where an
assumption fails. Takes about ten minutes on one core, with --quick one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from math import exp, log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.intervals import (
    MANY_ROUNDS,
    centre,
    critical_value,
    estimate,
    half_width,
    rank_test,
    ratio,
    unpaired_ratio,
    walsh_averages,
)
from orchestrator.analysis.verdicts.selection import compare_best, select_best
from orchestrator.analysis.verdicts.stopping import LOOKS
from orchestrator.analysis.verdicts.verdict import classify
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Sample

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]

ROUNDS = (6, 7, 10, 49)
FEW = 10
MANY = ROUNDS[-1]  # rounds from which on an interval must not cover too often either
CELLS_A_ROUND = 8
TRUTH = 1.3
LEAST, MOST = 0.93, 0.97
MOST_WIDE = 1.4  # times as wide as the test for independent rounds alone, at 10 independent rounds
MOST_CALLED, MOST_CALLED_DISTURBED = 0.02, 0.05
FOUND = 0.9  # share of the runs that find a true difference of 15 % while a neighbour slows both sides
MARGIN = 0.05
NEIGHBOUR_ROUNDS = 10  # that a neighbour stays, and stays away
QUICK_CASES = 400


def lognormal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return 5 % of noise, the mildest."""
    return 0.05 * rng.standard_normal(shape)


def student(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return logarithms with Student's t of 2 degrees of freedom, which has no variance."""
    return 0.03 * rng.standard_t(2, shape)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return a fixed cost plus a lognormal wait with a long right tail."""
    return np.log1p(0.05 * rng.lognormal(0, 1.5, shape))


def pareto(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return a fixed cost plus a Pareto wait, which has no variance."""
    return np.log1p(0.02 * rng.pareto(1.5, shape))


def outliers(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return 5 % of noise, where one sample in ten takes three times as long."""
    return lognormal(rng, shape) + log(3) * (rng.random(shape) < 0.1)


def still(rng: np.random.Generator, positions: int) -> Floats:
    """Return no drift."""
    return np.zeros(positions)


def rising(rng: np.random.Generator, positions: int) -> Floats:
    """Return an even slowdown, by half over the run."""
    return np.linspace(0, log(1.5), positions)


def wandering(rng: np.random.Generator, positions: int) -> Floats:
    """Return a random walk of 2 % per sample."""
    return 0.02 * np.cumsum(rng.standard_normal(positions))


SCENARIOS: dict[str, tuple[Noise, Callable[[np.random.Generator, int], Floats]]] = {
    "lognormal": (lognormal, still),
    "Student t, 2 df": (student, still),
    "lognormal wait": (skewed, still),
    "Pareto wait": (pareto, still),
    "outliers 10 % x3": (outliers, still),
    "linear drift": (lognormal, rising),
    "random-walk drift": (lognormal, wandering),
    "t, random walk": (student, wandering),
    "outliers, linear drift": (outliers, rising),
}


def pairs(rng: np.random.Generator, scenario: str, rounds: int) -> tuple[dict[int, float], dict[int, float]]:
    """Return the makespans of two cells among others, each round in a fresh order; the true ratio is `TRUTH`."""
    noise, drift = SCENARIOS[scenario]
    level = drift(rng, rounds * CELLS_A_ROUND).reshape(rounds, CELLS_A_ROUND)
    logs = noise(rng, (rounds, 2))
    for round_ in range(rounds):
        first, second = rng.permutation(CELLS_A_ROUND)[:2]
        logs[round_] += level[round_, [first, second]]
    logs[:, 0] += log(TRUTH)
    return {r: exp(x) for r, x in enumerate(logs[:, 0])}, {r: exp(x) for r, x in enumerate(logs[:, 1])}


def covers(found: Estimate | None, truth: float = TRUTH) -> bool:
    """Return whether the interval contains the truth."""
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


def coverage(cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield table 1: paired rounds of two cells with like noise."""
    yield (
        f"1. Paired ratio: share of {cases} cases covered (93 % at least, 97 % at most at {MANY} rounds)",
        True,
    )
    yield row("noise and drift", *(f"{n} rounds" for n in ROUNDS)), True
    for scenario in SCENARIOS:
        rng = np.random.default_rng([seed, 1, *scenario.encode()])
        shares = [sum(covers(ratio(*pairs(rng, scenario, n))) for _ in range(cases)) / cases for n in ROUNDS]
        yield row(scenario, *map(percent, shares)), covering(shares, cases)
    yield f"binomial standard error {percent(sqrt(0.95 * 0.05 / cases), 2)}", True


def covering(shares: Sequence[float], cases: int) -> bool:
    """Return whether intervals cover often enough, and at many rounds (the last) not too often, but for chance."""
    chance = 2 * sqrt(0.95 * 0.05 / cases)
    return min(shares) >= LEAST - chance and shares[-1] <= MOST + chance


def side(strategy: str, times: Floats) -> list[CellResult]:
    """Return the cells of one side from logarithms of times, a row per cell."""
    return [
        CellResult(
            Cell("stage", str(index), strategy, 2),
            None,
            tuple(Sample(round_, 0, 0.0, exp(each), 1, 1) for round_, each in enumerate(cell)),
        )
        for index, cell in enumerate(times)
    ]


def left_out(times: Floats) -> dict[int, float]:
    """Return, for each round, the time of the cell that is best in all other rounds: tried, and rejected."""
    best = {}
    for round_ in range(times.shape[1]):
        others = np.delete(times, round_, axis=1)
        best[round_] = exp(times[min(range(len(times)), key=lambda cell: centre(others[cell])), round_])
    return best


def contests(ours: Floats, theirs: Floats) -> tuple[Estimate | None, ...]:
    """Return the ratio of both sides' best in four ways; the last is the verdict's."""
    one, other = select_best(side("celery", ours)), select_best(side("threads", theirs))
    assert one is not None
    assert other is not None
    naive = ratio(one.best.makespans_s, other.best.makespans_s)
    forward = ratio(one.makespans_s, other.makespans_s)
    return naive, ratio(left_out(ours), left_out(theirs)), forward, compare_best(one, other)


def picking(cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield table 2: the best of k Celery cells against the best of m in-process cells that is as fast.

    `spread` is how much slower each cell of a side is than the one before it.
    """
    yield f"2. Equal bests called different, share of {cases} cases (no margin, so worse than verdicts)", True
    ways = ("as picked", "left out", "forward", "verdict", "allowed")
    yield row("noise, k against m, spread", "rounds", *ways), True
    for noise in (lognormal, student, outliers):
        for k, m, spread in ((1, 1, 0), (12, 1, 0), (12, 8, 0), (12, 1, 0.03), (12, 8, 0.03), (12, 8, 0.1)):
            for n in (7, 9):
                rng = np.random.default_rng([seed, 2, k, m, n, round(100 * spread)])
                behind = spread * np.arange(max(k, m))[:, None]
                found = [
                    contests(noise(rng, (k, n)) + behind[:k], noise(rng, (m, n)) + behind[:m])
                    for _ in range(cases)
                ]
                shares = [
                    sum(not covers(each, 1.0) for each in way) / cases for way in zip(*found, strict=True)
                ]
                verdict = found[0][-1]
                assert verdict is not None
                assert verdict.level is not None
                allowed = 1 - verdict.level
                line = row(f"{noise.__name__}, {k} against {m}, {spread:.0%}", str(n), *map(percent, shares))
                within = shares[-1] <= allowed + 2 * sqrt(allowed / cases)
                yield f"{line}{percent(allowed):>11}", within
    yield f"binomial standard error {percent(sqrt(0.06 * 0.94 / cases), 2)}; passes within two of it", True


def stopped(logs: Floats, target: float) -> tuple[int, Estimate | None, Estimate | None]:
    """Return when `--rounds auto` stops for one pair, and the ratio then.

    For comparison, the last item is the ratio at the first narrow interval, if every number of rounds from 5 on
    were checked.
    """
    before, hasty = False, None
    for look in (5, *LOOKS):
        found = ratio({r: exp(x) for r, x in enumerate(logs[:look])}, dict.fromkeys(range(look), 1.0))
        now = half_width(found) <= target
        if now and hasty is None:
            hasty = found
        if now and before and look in LOOKS[1:]:
            break
        before = now and look in LOOKS
    return look, found, hasty or found


def stopping(cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield table 3: rounds until the interval is narrow enough."""
    yield f"3. After --rounds auto: share of {cases} cases covered (93 % at least)", True
    yield row("noise", "target", "at once", "auto", "rounds"), True
    for noise in (lognormal, student, outliers):
        for target in (0.02, 0.03, 0.05, 0.08):
            rng = np.random.default_rng([seed, 3, round(100 * target)])
            logs = log(TRUTH) + noise(rng, (cases, LOOKS[-1])) - noise(rng, (cases, LOOKS[-1]))
            ends = [stopped(each, target) for each in logs]
            rounds = sum(look for look, _, _ in ends) / cases
            share = sum(covers(found) for _, found, _ in ends) / cases
            hasty = sum(covers(found) for _, _, found in ends) / cases
            line = row(noise.__name__, f"{target:.0%}", percent(hasty), percent(share), f"{rounds:.0f}")
            yield line, share >= LEAST
    yield f"binomial standard error {percent(sqrt(0.95 * 0.05 / cases), 2)}", True


def unpaired(cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield table 4: `compare`, for two runs on an unchanged machine."""
    yield (
        f"4. Unpaired ratio: share of {cases} cases covered, no drift between runs (93 % at least, 97 % at",
        True,
    )
    yield f"   most at {MANY}; where rounds carry over, from {FEW} rounds on)", True
    yield row("noise", *(f"{n} and {n}" for n in ROUNDS)), True
    noises = {noise.__name__: noise for noise in (lognormal, student, skewed, pareto, outliers)}
    for name, noise in {**noises, "carried over 0.5": carried_over(0.5)}.items():
        shares = []
        for n in ROUNDS:
            rng = np.random.default_rng([seed, 4, n])
            both = np.exp(noise(rng, (2 * cases, n))).reshape(cases, 2, n)
            held = (covers(unpaired_ratio(list(TRUTH * one), list(other))) for one, other in both)
            shares.append(sum(held) / cases)
        judged_from = 0 if name in noises else ROUNDS.index(FEW)
        yield row(name, *map(percent, shares)), covering(shares[judged_from:], cases)
    yield f"binomial standard error {percent(sqrt(0.95 * 0.05 / cases), 2)}", True


def asymmetric(cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield table 5: log-ratios that are not symmetric; the truth is what the point estimates."""
    yield f"5. Where symmetry fails: share of {cases} cases covered (no limits)", True
    yield row("noise in the numerator alone", *(f"{n} rounds" for n in ROUNDS)), True
    for noise in (lognormal, student, skewed, pareto, outliers):
        rng = np.random.default_rng([seed, 5])
        many = (2, 2_000_000)
        drawn = noise(rng, many) - lognormal(rng, many) / 5
        of_means, of_values = exp(float(np.median(drawn.mean(axis=0)))), exp(float(np.median(drawn)))
        shares = []
        for n in ROUNDS:
            truth = of_values if n >= MANY_ROUNDS else of_means
            ratios = np.exp(noise(rng, (cases, n)) - lognormal(rng, (cases, n)) / 5)
            shares.append(sum(covers(estimate(list(each)), truth) for each in ratios) / cases)
        yield row(noise.__name__, *map(percent, shares)), True
    yield f"binomial standard error {percent(sqrt(0.95 * 0.05 / cases), 2)}", True


def carried_over(share: float) -> Noise:
    """Return noise of 15 % of which each round carries over a share of the one before."""

    def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        values = 0.15 * rng.standard_normal(shape)
        for round_ in range(1, shape[1]):
            values[:, round_] = share * values[:, round_ - 1] + sqrt(1 - share**2) * values[:, round_]
        return values

    return noise


def dependent(cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield table 6: log-ratios that carry over from round to round.

    `alone` is what the rank test covers as if rounds were independent, `wide` the median width over that test's.
    """
    yield f"6. Rounds that depend on each other, noise 15 %: shares of {cases} cases", True
    yield (
        f"   (covered 93 % at least, 97 % at most at {MANY} rounds; called different 2 % at most; at {FEW}",
        True,
    )
    yield f"   independent rounds {MOST_WIDE} times as wide at most)", True
    yield row("carried over", "rounds", "alone", "covered", "called", "wide"), True
    for share in (0.0, 0.3, 0.5):
        for n in (FEW, MANY):
            rng = np.random.default_rng([seed, 6, n])
            logs = carried_over(share)(rng, (cases, n))
            found, alone = judged(logs), [as_if_independent(each) for each in logs]
            covered, without = (sum(covers(each, 1.0) for each in both) / cases for both in (found, alone))
            different, wide = called(found), float(np.median(widths(found)) / np.median(widths(alone)))
            figures = percent(without), percent(covered), percent(different), f"{wide:.2f}"
            within = covering([covered] if n == MANY else [covered, MOST], cases)
            within &= different <= MOST_CALLED + 2 * sqrt(MOST_CALLED / cases)
            within &= share > 0 or n > FEW or wide <= MOST_WIDE
            yield row(f"{share:.1f}", str(n), *figures), within
    yield f"binomial standard error {percent(sqrt(0.95 * 0.05 / cases), 2)}; passes within two of it", True


def step(size: float, after: float, noise: float) -> Noise:
    """Return noise, and one side slower from a share of the rounds on."""

    def logs(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        slow = np.arange(shape[1]) >= round(after * shape[1])
        return noise * rng.standard_normal(shape) + log(size) * slow

    return logs


def neighbour(size: float, noise: float) -> Noise:
    """Return noise, and one side slower for ten rounds, then not, and so on from anywhere in that."""

    def logs(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        began = rng.integers(0, 2 * NEIGHBOUR_ROUNDS, (shape[0], 1))
        slow = (np.arange(shape[1]) + began) // NEIGHBOUR_ROUNDS % 2
        return noise * rng.standard_normal(shape) + log(size) * slow

    return logs


def visitor(size: float, noise: float) -> Noise:
    """Return noise, and one side slower while a neighbour is there, who comes and goes after ten rounds on average."""

    def logs(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        changes = np.cumsum(rng.random(shape) < 1 / NEIGHBOUR_ROUNDS, axis=1)
        slow = (changes + rng.integers(0, 2, (shape[0], 1))) % 2
        return noise * rng.standard_normal(shape) + log(size) * slow

    return logs


DISTURBED: dict[str, tuple[Noise, bool]] = {
    "x1.5 after a quarter, noise 15 %": (step(1.5, 0.25, 0.15), True),
    "x1.5 after half, noise 15 %": (step(1.5, 0.5, 0.15), True),
    "x1.5 after 3 quarters, noise 15 %": (step(1.5, 0.75, 0.15), True),
    "x1.15 after half, noise 5 %": (step(1.15, 0.5, 0.05), True),
    "x1.15 after half, noise 15 %": (step(1.15, 0.5, 0.15), False),
    "neighbour x1.5, noise 15 %": (neighbour(1.5, 0.15), True),
    "neighbour x1.3, noise 15 %": (neighbour(1.3, 0.15), False),
    "neighbour x1.15, noise 5 %": (neighbour(1.15, 0.05), True),
    "neighbour x1.15, noise 15 %": (neighbour(1.15, 0.15), False),
    "by chance x1.5, noise 15 %": (visitor(1.5, 0.15), False),
    "by chance x1.15, noise 5 %": (visitor(1.15, 0.05), False),
}


# The noise of a ratio, and the least share of the neighbour's slowdown that a batch sees; it is 1 at most.
SLOWED_ALIKE = {"neighbour x1.5, noise 15 %": (0.15, 1.0), "neighbour x1 to x1.5, noise 10 %": (0.10, 0.0)}
DIFFERENCE = 1.15


def slowed(noise: float, least: float, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return both sides' logarithms while a neighbour slows both for ten rounds at a time."""
    slow = neighbour(1.5, 0.0)(rng, shape)
    return slow * rng.uniform(least, 1.0, (2, *shape)) + noise / sqrt(2) * rng.standard_normal((2, *shape))


def disturbed(cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield table 7: what slows one side of equal pairs alone, or both sides of a pair that truly differs."""
    yield f"7. Something slows one side, {MANY} rounds: share of {cases} equal pairs called different", True
    yield "   (5 % at most; no limit where it is weaker than the noise, or comes by chance)", True
    yield row("what", "alone", "called", "limit"), True
    for name, (noise, limited) in DISTURBED.items():
        rng = np.random.default_rng([seed, 7, *name.encode()])
        logs = noise(rng, (cases, MANY))
        different, alone = called(judged(logs)), called([as_if_independent(each) for each in logs])
        limit = percent(MOST_CALLED_DISTURBED) if limited else "-"
        within = not limited or different <= MOST_CALLED_DISTURBED
        yield row(name, percent(alone), percent(different), limit), within
    yield f"Something slows both sides, and one takes {DIFFERENCE} times as long: found (90 % at least)", True
    for name, (noise, least) in SLOWED_ALIKE.items():
        sides = slowed(noise, least, np.random.default_rng([seed, 7, *name.encode()]), (cases, MANY))
        logs = log(DIFFERENCE) + sides[1] - sides[0]
        found, alone = called(judged(logs)), called([as_if_independent(each) for each in logs])
        yield row(name, percent(alone), percent(found), percent(FOUND)), found >= FOUND
    yield f"binomial standard error {percent(sqrt(0.05 * 0.95 / cases), 2)}", True


def judged(logs: Floats) -> list[Estimate]:
    """Return the estimate of each row of log-ratios."""
    return [found for each in logs if (found := estimate(list(np.exp(each)))) is not None]


def as_if_independent(logs: Floats) -> Estimate:
    """Return the interval of the rank test alone."""
    ordered = np.sort(walsh_averages(logs))
    k, level = critical_value(rank_test(len(logs)))
    point, low, high = (exp(float(each)) for each in (np.median(ordered), ordered[k], ordered[-1 - k]))
    return Estimate(point, low, high, level)


def called(found: Sequence[Estimate]) -> float:
    """Return the share that a verdict calls different."""
    return sum(classify(each, MARGIN) in ("helps", "hurts") for each in found) / len(found)


def widths(found: Sequence[Estimate]) -> list[float]:
    """Return how wide intervals are, on the logarithmic scale."""
    return [log((each.high or 0.0) / (each.low or 1.0)) for each in found]


def row(name: str, *figures: str) -> str:
    """Return a line of a table."""
    return f"{name:32}" + "".join(f"{figure:>11}" for figure in figures)


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent."""
    return f"{100 * share:.{digits}f} %"


def main() -> int:
    """Print the tables; return 1 if a figure is out of its limits."""
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=int, default=20_000, help="simulated runs a figure of table 1")
    arguments.add_argument("--seed", type=int, default=2026)
    options = arguments.parse_args()
    cases = QUICK_CASES if options.quick else options.cases
    few = max(1, cases // 10)
    tables = (
        coverage(cases, options.seed),
        picking(few, options.seed),
        stopping(few, options.seed),
        unpaired(cases, options.seed),
        asymmetric(cases, options.seed),
        dependent(cases, options.seed),
        disturbed(max(1, cases // 4), options.seed),
    )
    page = Page(__file__, options)
    failed = False
    for table in tables:
        page.say("```text")
        for line, within in table:
            failed |= not within
            page.say(line if within else f"{line}  OUTSIDE")
        page.say("```")
        page.say()
    return page.verdict(not failed, "every figure within its limits (one outside is marked).")


if __name__ == "__main__":
    sys.exit(main())
