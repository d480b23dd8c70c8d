"""Does the latency that is predicted from a batch hold at an arrival rate? Measures batches, predicts, measures load.

    python benchmarks/system/held_out_load.py [--quick] [--tasks 5000] [--update-docs]

Downloads with 30 ms of latency by Celery, as batches on 1 and 2 slots. From these quantiles are predicted for six
rates and numbers of slots up to 80 % utilisation, then each is measured with at least 5,000 tasks, after the same
warm-up, unless `predict` refuses because the processors are too busy; at last, the largest rate that is sustained.
Goal: 90 % of the quantiles within their interval, a median error of at most 15 %, and the largest rate within 10 %.
Takes 15 minutes, with --quick one (400 tasks, two cases).
"""

from __future__ import annotations

import sys
from math import sqrt
from pathlib import Path

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.queueing.open_loop import Predictor
from orchestrator.analysis.queueing.prediction import HypotheticalFleet
from orchestrator.commands.progress import Lines
from orchestrator.measurement import session
from orchestrator.model.runs import Run
from orchestrator.phrases.load import quantile_name
from orchestrator.phrases.numbers import seconds
from orchestrator.planning.option_checks import check
from orchestrator.planning.options import Options

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

CASES = ((2, 32.0), (2, 44.0), (4, 64.0), (4, 88.0), (8, 128.0), (8, 160.0))  # slots, tasks a second
LATENCY_MS = 30.0
TASKS, ROUNDS = 5_000, 3
QUICK_TASKS = 400
MORE = 1.05  # times as many are planned, because Poisson arrivals may be fewer
SEARCH_SLOTS, SEARCH_S = 4, 10.0  # of the largest rate: slots, and how long tasks arrive in a sample
LARGEST_MEDIAN, FEWEST_COVERED, LARGEST_RATE_ERROR = 0.15, 0.9, 0.1


def measured(options: Options) -> Run:
    """Measure on a fresh fleet."""
    with session.measured(options, check(options), Lines(), lambda _: None) as run:
        return run


def download(command: str, **more: object) -> Options:
    """Return the options of downloads by Celery."""
    return Options(
        command=command,
        stages=("download",),
        kernels=("session",),
        strategies=("celery",),
        latency_ms=LATENCY_MS,
        **more,  # type: ignore[arg-type]
    )


def largest_rate_per_s() -> float:
    """Return the largest rate that is sustained: between the last that was and the first that was not."""
    found = analyse(
        measured(download("load", slots=SEARCH_SLOTS, rates="auto", duration_s=SEARCH_S, load_rounds=ROUNDS))
    )
    sustained = max(row.rate_per_s for row in found.load if row.sustained)
    above = [row.rate_per_s for row in found.load if row.rate_per_s > sustained]
    return sqrt(sustained * min(above, default=sustained))


def main() -> int:
    """Measure, predict, measure; return 1 if the goal is missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--tasks", type=int, default=TASKS, help="of each case; p99 takes 1,000")
    options = arguments.parse_args()
    page = Page(__file__, options)
    quick = options.quick
    tasks, rounds, cases = (QUICK_TASKS, 1, CASES[3:5]) if quick else (options.tasks, ROUNDS, CASES)
    batches = measured(
        download("scale", slot_counts=(1, 2), chunks=(1,), images=24, rounds="4" if quick else "7")
    )
    cell = next(each.cell for each in batches.cells if not each.cell.replica)
    predictor = Predictor(batches, cell, HypotheticalFleet(1), tasks)
    page.head("slots", "rate", "quantile", "predicted", "its interval", "measured", "error", "covered")
    errors, covered = [], []
    for slots, rate in cases:
        found = predictor.predict(rate, slots, None)
        if found.refused:
            page.row(str(slots), f"{rate:g}/s", "", "none: processors too busy", "", "", "", "")
            continue
        duration_s = MORE * tasks / rate / rounds
        loaded = measured(
            download("load", slots=slots, rates=f"{rate:g}", duration_s=duration_s, load_rounds=rounds)
        )
        (row,) = analyse(loaded).load
        for quantile, made in found.latency_s.items():
            truth = row.latency_s[quantile]
            if made is None or truth is None or made.low is None or made.high is None:
                continue
            errors.append(made.point / truth.point - 1)
            covered.append(made.low <= truth.point <= made.high)
            page.row(
                str(slots),
                f"{rate:g}/s",
                quantile_name(quantile),
                seconds(made.point),
                f"{seconds(made.low)} to {seconds(made.high)}",
                seconds(truth.point),
                f"{errors[-1]:+.1%}",
                "yes" if covered[-1] else "no",
            )
    if not quick:
        largest, predicted = largest_rate_per_s(), predictor.predict(1.0, SEARCH_SLOTS, None).breaks_at_per_s
        off = predicted / largest - 1
        page.say()
        page.say(
            f"The largest rate on {SEARCH_SLOTS} slots: predicted {predicted:.0f}/s, measured {largest:.0f}/s "
            f"({off:+.1%}; at most {LARGEST_RATE_ERROR:.0%})."
        )
        if abs(off) > LARGEST_RATE_ERROR:
            return page.verdict(False, "the largest rate that is sustained is too far off.")
    return page.verdict_on_predictions(errors, covered, LARGEST_MEDIAN, FEWEST_COVERED)


if __name__ == "__main__":
    sys.exit(main())
