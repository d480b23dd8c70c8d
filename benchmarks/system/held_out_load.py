"""Does the latency that is predicted from a batch hold at an arrival rate? Measures batches, predicts, measures load.

    python benchmarks/system/held_out_load.py [--quick] [--tasks 5000] [--update-docs]

Downloads with 100 ms of latency by Celery, as batches on 1 and 2 slots. From these quantiles are predicted for six
rates and numbers of slots up to 80 % utilisation, then each is measured with at least 5,000 tasks, after the same
warm-up. Goal: 90 % of the quantiles within their interval, and a median error of at most 15 %. Takes half an hour, with
--quick two minutes (500 tasks, two cases).
"""

from __future__ import annotations

import sys
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

CASES = ((2, 6.0), (2, 14.0), (4, 15.0), (4, 30.0), (8, 40.0), (8, 60.0))  # slots, tasks a second
LATENCY_MS = 100.0
TASKS, ROUNDS = 5_000, 3
LARGEST_MEDIAN, FEWEST_COVERED = 0.15, 0.9


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


def main() -> int:
    """Measure, predict, measure; return 1 if the goal is missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--tasks", type=int, default=TASKS, help="of each case; p99 takes 1,000")
    options = arguments.parse_args()
    page = Page(__file__, options, "prediction.md")
    tasks, rounds, cases = (500, 1, CASES[1:4:2]) if options.quick else (options.tasks, ROUNDS, CASES)
    batches = measured(download("scale", slot_counts=(1, 2), chunks=(1,), images=24, rounds="7"))
    cell = next(each.cell for each in batches.cells if not each.cell.replica)
    predictor = Predictor(batches, cell, HypotheticalFleet(1), tasks)
    page.head("slots", "rate", "quantile", "predicted", "its interval", "measured", "error", "covered")
    errors, covered = [], []
    for slots, rate in cases:
        found = predictor.predict(rate, slots, None)
        loaded = measured(
            download(
                "load", slots=slots, rates=f"{rate:g}", duration_s=tasks / rate / rounds, load_rounds=rounds
            )
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
    return page.verdict_on_predictions(errors, covered, LARGEST_MEDIAN, FEWEST_COVERED)


if __name__ == "__main__":
    sys.exit(main())
