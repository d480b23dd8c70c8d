"""Held-out prediction: measured at slots 1, 2 and 3, predicted for 4 to 8, then measured there.

    python benchmarks/held_out.py [--quick] [--update-docs]

The work waits rather than computes, a download with 100 ms of latency, so that two cores can truly run
eight slots of it. The second measurement knows nothing of the first. Goal: the median of the absolute
errors at most 10 %, and the interval holds at least four of five. Takes about four minutes on two cores.
"""

from __future__ import annotations

import statistics
import sys

from page import DOCS, Page, parser

from orchestrator.analysis.estimates import makespan
from orchestrator.analysis.prediction import predict
from orchestrator.commands.progress import Silent
from orchestrator.model import CellResult, Run
from orchestrator.options import Options
from orchestrator.session import Job, measure_job
from orchestrator.sweeps import scale_plan

SCALING = DOCS.with_name("scaling.md")
KNOWN, HELD_OUT = (1, 2, 3), (4, 5, 6, 7, 8)
LARGEST_MEDIAN = 0.10
FEWEST_COVERED = 0.8


def measured(slots: tuple[int, ...], rounds: int, images: int) -> Run:
    """Downloads by Celery on each number of slots, on a fleet of its own."""
    options = Options(
        stages=("download",),
        strategies=("celery",),
        images=images,
        latency_ms=100.0,
        rounds=str(rounds),
    )
    return measure_job(Job("scale", lambda _: scale_plan(options, slots)), Silent(), lambda _: None)


def celery(run: Run) -> dict[int, CellResult]:
    """Slots to the result of Celery's cell with so many."""
    return {result.cell.slots: result for result in run.cells if not result.cell.replica}


def main() -> int:
    """Measure, predict, measure; 1 if the goal is missed."""
    options = parser(__doc__).parse_args()
    page = Page("held_out", options, SCALING)
    rounds, images = (2, 12) if options.quick else (7, 24)
    known = measured(KNOWN, rounds, images)
    found = celery(measured(HELD_OUT, rounds, images))
    page.head("slots", "predicted", "its interval", "measured", "its interval", "error", "covered")
    errors, covered = [], []
    for slots, result in found.items():
        made = predict(known, celery(known)[KNOWN[-1]].cell, slots).makespan_s
        truth = makespan(result)
        assert truth is not None
        assert made.low is not None
        assert made.high is not None
        errors.append(made.point / truth.point - 1)
        covered.append(made.low <= truth.point <= made.high)
        page.row(
            str(slots),
            f"{made.point:.3f} s",
            f"{made.low:.3f} to {made.high:.3f}",
            f"{truth.point:.3f} s",
            "" if truth.low is None else f"{truth.low:.3f} to {truth.high:.3f}",
            f"{errors[-1]:+.1%}",
            "yes" if covered[-1] else "no",
        )
    middle = statistics.median(map(abs, errors))
    return page.verdict(
        middle <= LARGEST_MEDIAN and sum(covered) >= FEWEST_COVERED * len(covered),
        f"median absolute error {middle:.1%} (at most {LARGEST_MEDIAN:.0%}), "
        f"{sum(covered)} of {len(covered)} within the interval (at least {FEWEST_COVERED:.0%}).",
    )


if __name__ == "__main__":
    sys.exit(main())
