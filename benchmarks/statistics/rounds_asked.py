"""Do the rounds that an undecided verdict asks for decide it, and is the smallest difference that it names found?

    python benchmarks/statistics/rounds_asked.py [--quick] [--cases 1000] [--seed 2026] [--update-docs]

Simulated pairs that take 1, 1.03, 1.1, 1.15 or 1.3 times as long, through the functions that judge real runs. "Asked"
are the undecided ones that are told a number of rounds; they get these rounds, and "decided" is the share that has a
verdict then. "Found" is the share of second runs, of a pair that differs by what the first run named as the smallest
difference that it could find, that find it. Goal: 75 % at least of both, over all rows of independent rounds; it says
80 %. Takes five minutes on one core, with --quick half a minute.
"""

from __future__ import annotations

import sys
from math import log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.stats.intervals import estimate
from orchestrator.analysis.stats.power import MOST_ROUNDS, rounds_to_decide, smallest_difference
from orchestrator.analysis.verdicts.verdict import classify
from orchestrator.model.findings import Estimate

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

Floats = NDArray[np.float64]

ROUNDS = (7, 10, 20, 49)
NOISES = ((0.05, 0.0), (0.15, 0.0), (0.15, 0.3))  # of a ratio, and the share that a round carries over
TRUTHS = (1.0, 1.03, 1.1, 1.15, 1.3)
MARGIN = 0.05
NEEDED = 0.75


def noise(rng: np.random.Generator, deviation: float, carried: float, rounds: int) -> Floats:
    """Return the noise of a log-ratio, round by round."""
    values = deviation * rng.standard_normal(rounds)
    for round_ in range(1, rounds) if carried else ():
        values[round_] = carried * values[round_ - 1] + sqrt(1 - carried**2) * values[round_]
    return values


def measured(logs: Floats) -> Estimate:
    """Return the estimate of log-ratios."""
    found = estimate(list(np.exp(logs)))
    assert found is not None
    return found


def main() -> int:
    """Print the table; return 1 if too few are decided or found."""
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=int, default=1000, help="simulated pairs a row")
    arguments.add_argument("--seed", type=int, default=2026)
    options = arguments.parse_args()
    cases = 100 if options.quick else options.cases
    page = Page(__file__, options)
    page.head("noise, carried over", "rounds", "undecided", "asked", "more rounds", "decided", "found")
    totals = {"asked": 0, "decided": 0, "found": 0, "runs": 0}
    for deviation, carried in NOISES:
        for rounds in ROUNDS:
            rng = np.random.default_rng([options.seed, rounds, round(100 * deviation), round(10 * carried)])
            undecided, asked, decided, found = 0, [], 0, 0
            for _ in range(cases):
                logs = log(rng.choice(TRUTHS)) + noise(rng, deviation, carried, MOST_ROUNDS)
                ratio = measured(logs[:rounds])
                least = log(1 + (smallest_difference(ratio, MARGIN) or 0.0))
                found += classify(measured(least + noise(rng, deviation, carried, rounds)), MARGIN) == "hurts"
                if classify(ratio, MARGIN) != "inconclusive":
                    continue
                undecided += 1
                more = rounds_to_decide(ratio, rounds, MARGIN)
                if more is not None:
                    asked.append(more)
                    decided += classify(measured(logs[: rounds + more]), MARGIN) != "inconclusive"
            if not carried:
                for name, each in zip(totals, (len(asked), decided, found, cases), strict=True):
                    totals[name] += each
            page.row(
                f"{deviation:.0%}, {carried:.1f}",
                str(rounds),
                f"{undecided / cases:.0%}",
                str(len(asked)),
                f"{np.median(asked):.0f}" if asked else "",
                f"{decided / len(asked):.0%}" if asked else "",
                f"{found / cases:.0%}",
            )
    decided_share, found_share = totals["decided"] / max(1, totals["asked"]), totals["found"] / totals["runs"]
    return page.verdict(
        min(decided_share, found_share) >= NEEDED,
        f"with independent rounds, {decided_share:.0%} of the undecided were decided by the rounds they asked for, and "
        f"{found_share:.0%} of the smallest differences were found; {NEEDED:.0%} at least are to be.",
    )


if __name__ == "__main__":
    sys.exit(main())
