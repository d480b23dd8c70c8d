"""Do the intervals of a latency's quantiles hold the truth, and is it told right whether a rate is sustained?

    python benchmarks/statistics/latency_intervals.py [--quick] [--runs 300] [--update-docs]

Simulates runs of `load` (three rounds of 15 s, Poisson arrivals, exponential services, two slots) by the
Kiefer-Wolfowitz recursion, and analyses them as a result file. The truth is the quantile over a million tasks. Goals:
where more than half of the runs have an interval, at least 90 % of these hold it (95 % intervals); a rate up to 80 % of
the capacity is called not sustained, and one from 110 % on sustained, in at most 2 % of the runs. At a high utilisation
45 s see too few busy periods for an interval, and none is shown. Takes five minutes, with --quick half a minute.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from orchestrator.analysis.load import QUANTILES, LoadRow, load_row
from orchestrator.analysis.queueing.waits import waits_s
from orchestrator.measurement.open_loop import arrival_times_s
from orchestrator.model.runs import Cell, CellResult, Sample, Trace

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

RATES = (10.0, 40.0, 200.0)
UTILISATIONS = (0.3, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2)
SLOTS, ROUNDS, DURATION_S = 2, 3, 15.0
RUNS, QUICK_RUNS = 300, 20
TRUTH_TASKS = 1_000_000
HELD, QUICK_HELD, WRONG = 0.9, 0.75, 0.02


def simulated(rate: float, utilisation: float, seed: int) -> LoadRow:
    """Return the row of a simulated run."""
    samples = []
    for number in range(ROUNDS):
        planned = np.array(arrival_times_s("poisson", rate, DURATION_S, (seed, number)))
        rng = np.random.default_rng((seed, number, 7))
        services = rng.exponential(SLOTS * utilisation / rate, len(planned))
        ends = planned + waits_s(planned, services, SLOTS) + services
        plan_us = [round(each * 1e6) for each in planned.tolist()]
        trace = Trace(
            DURATION_S,
            tuple(plan_us),
            tuple(plan_us),
            tuple(round(each * 1e6) for each in ends.tolist()),
            tuple(round(each * 1e6) for each in services.tolist()),
        )
        samples.append(Sample(number, 0, 0.0, DURATION_S, max(1, len(plan_us)), len(plan_us), trace=trace))
    row = load_row(
        CellResult(Cell("", "", "threads", SLOTS, rate_per_s=rate), None, open_loops=tuple(samples))
    )
    assert row is not None
    return row


def true_quantiles_s(rate: float, utilisation: float) -> dict[float, float]:
    """Return the quantiles of the latency over a long time."""
    rng = np.random.default_rng(1917)
    arrivals = np.cumsum(rng.exponential(1 / rate, TRUTH_TASKS))
    services = rng.exponential(SLOTS * utilisation / rate, TRUTH_TASKS)
    latencies = waits_s(arrivals, services, SLOTS) + services
    return {quantile: float(np.quantile(latencies, quantile)) for quantile in QUANTILES}


def main() -> int:
    """Print every case; return 1 if a goal is missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=RUNS, help="simulated runs a figure")
    options = arguments.parse_args()
    page = Page(__file__, options)
    runs = QUICK_RUNS if options.quick else options.runs
    page.head(
        "utilisation",
        "tasks/s",
        "p50 held (of runs)",
        "p95 held (of runs)",
        "p99 held (of runs)",
        "sustained",
        "cannot tell",
        "not sustained",
    )
    met = True
    for utilisation in UTILISATIONS:
        for rate in RATES:
            rows = [simulated(rate, utilisation, seed) for seed in range(runs)]
            truth = true_quantiles_s(rate, utilisation) if utilisation < 1 else {}
            held = []
            for quantile in (0.5, 0.95, 0.99):
                found = [row.latency_s[quantile] for row in rows]
                known = [
                    each
                    for each in found
                    if each is not None and each.low is not None and each.high is not None
                ]
                share = None
                if truth and len(known) > runs / 2:
                    share = sum(e.low <= truth[quantile] <= e.high for e in known) / len(known)
                    met &= share >= (QUICK_HELD if options.quick else HELD)
                held.append("" if share is None else f"{share:.0%} ({len(known) / runs:.0%})")
            told = [sum(row.sustained is word for row in rows) / runs for word in (True, None, False)]
            met &= utilisation > 0.8 or told[2] <= WRONG
            met &= utilisation < 1.1 or told[0] <= WRONG
            page.row(f"{utilisation:.0%}", f"{rate:g}", *held, *(f"{each:.0%}" for each in told))
    return page.verdict(
        met, f"intervals hold the truth in at least {HELD:.0%}; wrong verdicts in at most {WRONG:.0%}."
    )


if __name__ == "__main__":
    sys.exit(main())
