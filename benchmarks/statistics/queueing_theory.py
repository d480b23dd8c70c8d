"""Does the recursion that simulates tasks in a queue agree with the formulas of queueing theory?

    python benchmarks/statistics/queueing_theory.py [--quick] [--update-docs]

Poisson arrivals at 30, 60 and 80 % utilisation, services of a mean of one second: constant on one slot (M/D/1,
Pollaczek-Khinchine), exponential on one (M/M/1) and on 2 and 4 slots (M/M/c, Erlang C). A million tasks each; the mean
wait may differ by 2 %. Tasks that arrive exactly as the slots become free (D/D/c) must not wait at all. Takes ten
seconds, with --quick one (100,000 tasks, 10 %).
Sources: Kleinrock, "Queueing Systems", vol. 1, 1975, ch. 3 and 5; Erlang, 1917.
"""

from __future__ import annotations

import sys
from math import factorial
from pathlib import Path

import numpy as np

from orchestrator.analysis.queueing.waits import waits_s

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

UTILISATIONS = (0.3, 0.6, 0.8)
SLOTS = (1, 2, 4)
WITHIN = 0.02
SEED = 1917


def erlang_c_wait_s(load: float, slots: int) -> float:
    """Return the mean wait of M/M/c; `load` is the arrivals during a service."""
    waiting = load**slots / factorial(slots) * slots / (slots - load)
    share = waiting / (sum(load**k / factorial(k) for k in range(slots)) + waiting)
    return share / (slots - load)


def main() -> int:
    """Print every case; return 1 if one is off."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    tasks, within = (100_000, 5 * WITHIN) if options.quick else (1_000_000, WITHIN)
    rng = np.random.default_rng(SEED)
    worst = 0.0
    page.head("queue", "slots", "utilisation", "mean wait by the formula", "by the recursion", "error")
    cases = [("M/D/1", 1), *(("M/M/1" if slots == 1 else "M/M/c", slots) for slots in SLOTS)]
    for queue, slots in cases:
        for utilisation in UTILISATIONS:
            arrivals_s = np.cumsum(rng.exponential(1 / (slots * utilisation), tasks))
            constant = queue == "M/D/1"
            services_s = np.ones(tasks) if constant else rng.exponential(1.0, tasks)
            truth_s = erlang_c_wait_s(slots * utilisation, slots) / (2 if constant else 1)
            found_s = float(waits_s(arrivals_s, services_s, slots).mean())
            error = found_s / truth_s - 1
            worst = max(worst, abs(error))
            page.row(
                queue,
                str(slots),
                f"{utilisation:.0%}",
                f"{truth_s:.4f} s",
                f"{found_s:.4f} s",
                f"{error:+.1%}",
            )
    idle = [waits_s(np.arange(1000) / slots, np.ones(1000), slots).max() for slots in SLOTS]
    met = worst <= within and max(idle) < 1e-9
    return page.verdict(
        met, f"at most {worst:.1%} off (at most {within:.0%}), no wait in D/D/c on 1, 2 and 4 slots."
    )


if __name__ == "__main__":
    sys.exit(main())
