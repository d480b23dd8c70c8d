"""Do predictions hold for slots that were not measured? Measures 1 to 3, predicts 4 to 8, then measures those.

    python benchmarks/system/held_out.py [--quick] [--update-docs]

The work waits rather than computes (a download with 100 ms of latency, by both kernels), so that two cores can
really run eight slots. Goal: the median of the absolute errors is at most 10 %, and the interval covers at
least 8 of 10. Takes about three minutes on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.analysis.queueing.prediction import HypotheticalFleet, predict
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.commands.progress import Lines
from orchestrator.measurement import session
from orchestrator.model.runs import CellResult, Run
from orchestrator.planning.option_checks import check
from orchestrator.planning.options import Options

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

KERNELS = ("requests", "session")
KNOWN, HELD_OUT = (1, 2, 3), (4, 5, 6, 7, 8)
LARGEST_MEDIAN = 0.10
FEWEST_COVERED = 0.8


def measured(slots: tuple[int, ...], rounds: int, images: int) -> Run:
    """Measure downloads by Celery on each number of slots, on a fresh fleet."""
    options = Options(
        command="scale",
        slot_counts=slots,
        stages=("download",),
        kernels=KERNELS,
        strategies=("celery",),
        images=images,
        latency_ms=100.0,
        rounds=str(rounds),
    )
    with session.measured(options, check(options), Lines(), lambda _: None) as run:
        return run


def celery(run: Run) -> list[CellResult]:
    """Return the results of the Celery cells, without the second half of the A/A pair."""
    return [result for result in run.cells if not result.cell.replica]


def main() -> int:
    """Measure, predict, measure; return 1 if the goal is missed."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    # An interval needs at least six rounds.
    rounds, images, held_out = (6, 8, HELD_OUT[:1]) if options.quick else (7, 24, HELD_OUT)
    known = measured(KNOWN, rounds, images)
    cells = {result.cell.kernel: result.cell for result in celery(known)}
    page.head("kernel", "slots", "predicted", "its interval", "measured", "its interval", "error", "covered")
    errors, covered = [], []
    for result in celery(measured(held_out, rounds, images)):
        kernel, slots = result.cell.kernel, result.cell.slots
        made = predict(known, cells[kernel], HypotheticalFleet(slots)).makespan_s
        truth = makespan(result)
        assert truth is not None
        assert made.low is not None
        assert made.high is not None
        errors.append(made.point / truth.point - 1)
        covered.append(made.low <= truth.point <= made.high)
        page.row(
            kernel,
            str(slots),
            f"{made.point:.3f} s",
            f"{made.low:.3f} to {made.high:.3f}",
            f"{truth.point:.3f} s",
            "" if truth.low is None else f"{truth.low:.3f} to {truth.high:.3f}",
            f"{errors[-1]:+.1%}",
            "yes" if covered[-1] else "no",
        )
    return page.verdict_on_predictions(errors, covered, LARGEST_MEDIAN, FEWEST_COVERED)


if __name__ == "__main__":
    sys.exit(main())
