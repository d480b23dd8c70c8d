"""How often does `gate` alarm on one code, and how often does it find a function that became 10 % slower? Simulated.

    python benchmarks/statistics/gate.py [--quick] [--gates 10000] [--seed 2026] [--update-docs]

Three rows in two versions. The rounds of each depend on each other (autocorrelation 0.5), or bursts that last for
rounds hit one version alone. Exits with 1 if more than 1 % of the gates with base = head alarm. Takes ten minutes,
with --quick a quarter of one.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import log, log1p, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.verdicts.common_shift import holm
from orchestrator.analysis.verdicts.gate import ALARMS, rest_of

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

MARGIN = 0.05
LIMIT = 0.01
ROWS = 3
SLOWER = 1.10
ROUNDS = (20, 49, 150)
CASES: Mapping[str, Mapping[str, float]] = {
    "independent, 5 %": {"carried": 0.0, "noise": 0.05, "burst": 0.0},
    "autocorrelation 0.5, 5 %": {"carried": 0.5, "noise": 0.05, "burst": 0.0},
    "autocorrelation 0.5, 15 %": {"carried": 0.5, "noise": 0.15, "burst": 0.0},
    "bursts of 30 %": {"carried": 0.3, "noise": 0.05, "burst": 0.3},
}


def carried_over(rng: np.random.Generator, rounds: int, carried: float) -> NDArray[np.float64]:
    """Return noise of standard deviation 1 of which each round carries over a share of the one before."""
    values = rng.standard_normal(rounds)
    for number in range(1, rounds):
        values[number] = carried * values[number - 1] + sqrt(1 - carried**2) * values[number]
    return values


def alarms(
    rng: np.random.Generator, rounds: int, shift: float, carried: float, noise: float, burst: float
) -> bool:
    """Return whether a gate alarms whose head takes `shift` longer, on a logarithmic scale."""
    found = {}
    for row in range(ROWS):
        logs = shift + noise * (carried_over(rng, rounds, carried) - carried_over(rng, rounds, carried))
        if burst:
            on = carried_over(rng, rounds, 0.8) > 0.8
            logs += on * burst * rng.standard_normal(rounds)
        found[row] = rest_of(list(logs))
    adjusted = holm({row: rest.p_value for row, rest in found.items()})
    return any(adjusted[row] <= ALARMS and rest.log_ratio > log1p(MARGIN) for row, rest in found.items())


def main() -> int:
    """Print the table; return 1 if equal versions alarm too often."""
    arguments = parser(__doc__)
    arguments.add_argument("--gates", type=int, default=10_000, help="simulated gates a figure")
    arguments.add_argument("--seed", type=int, default=2026)
    options = arguments.parse_args()
    gates = 200 if options.quick else options.gates
    page = Page(__file__, options)
    page.head("noise", "rounds", "alarms of the same code", "10 % slower found")
    within = True
    for name, case in CASES.items():
        for rounds in ROUNDS:
            rng = np.random.default_rng([options.seed, rounds, *name.encode()])
            same = sum(alarms(rng, rounds, 0.0, **case) for _ in range(gates)) / gates
            slower = max(100, gates // 20)
            found = sum(alarms(rng, rounds, log(SLOWER), **case) for _ in range(slower)) / slower
            within &= same <= LIMIT
            page.row(name, str(rounds), f"{100 * same:.2f} %", f"{100 * found:.0f} %")
    page.say()
    page.say(f"{gates} gates a figure of the same code, {max(100, gates // 20)} with a slower head.")
    return page.verdict(within, "at most 1 % of the gates alarm on the same code.")


if __name__ == "__main__":
    sys.exit(main())
