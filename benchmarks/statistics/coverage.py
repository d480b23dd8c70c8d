"""Do intervals cover, and do verdicts keep their level, on simulated rounds whose truth is known?

    python benchmarks/statistics/coverage.py [--quick] [--cases 20000] [--seed 2026] [--update-docs]

Prints five tables, which docs/measurements/statistics.md explains, through the functions that judge real runs.
Exits with 1 if a figure is out of its limits: paired intervals cover in 93 to 97 % of the cases, also after
`--rounds auto`; two equal sides are called different no more often than the level allows. Table 5 shows what
happens if the assumption of symmetry fails, and has no limits. Takes about ten minutes on one core, with
--quick half a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from math import exp, log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.intervals import (
    MANY_ROUNDS,
    centre,
    estimate,
    half_width,
    ratio,
    unpaired_ratio,
)
from orchestrator.analysis.verdicts.selection import compare_best, select_best
from orchestrator.analysis.verdicts.stopping import LOOKS
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Sample

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]

ROUNDS = (5, 7, 9, 49)
CELLS_A_ROUND = 8
TRUTH = 1.3
LEAST, MOST = 0.93, 0.97
QUICK_CASES = 2000


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
    yield f"1. Paired ratio: share of {cases} cases that the interval covers (93 to 97 %)", True
    yield row("noise and drift", *(f"{n} rounds" for n in ROUNDS)), True
    for scenario in SCENARIOS:
        rng = np.random.default_rng([seed, 1, *scenario.encode()])
        shares = [sum(covers(ratio(*pairs(rng, scenario, n))) for _ in range(cases)) / cases for n in ROUNDS]
        yield row(scenario, *map(percent, shares)), all(LEAST <= share <= MOST for share in shares)
    yield f"binomial standard error {percent(sqrt(0.95 * 0.05 / cases), 2)}", True


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
    yield f"3. After --rounds auto: share of {cases} cases covered (93 to 97 %)", True
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
            yield line, LEAST <= share <= MOST
    yield f"binomial standard error {percent(sqrt(0.95 * 0.05 / cases), 2)}", True


def unpaired(cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield table 4: `compare`, for two runs on an unchanged machine."""
    yield f"4. Unpaired ratio: share of {cases} cases covered, no drift between runs (93 to 97 %)", True
    yield row("noise", *(f"{n} and {n}" for n in ROUNDS)), True
    for noise in (lognormal, student, skewed, pareto, outliers):
        shares = []
        for n in ROUNDS:
            rng = np.random.default_rng([seed, 4, n])
            times = np.exp(noise(rng, (cases, 2, n)))
            held = (covers(unpaired_ratio(list(TRUTH * one), list(other))) for one, other in times)
            shares.append(sum(held) / cases)
        yield row(noise.__name__, *map(percent, shares)), all(LEAST <= share <= MOST for share in shares)
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
    )
    page = Page(__file__, options, "statistics.md")
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
