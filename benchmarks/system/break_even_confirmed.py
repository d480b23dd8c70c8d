"""Is a break-even real? Confirms the size that a sweep finds by separate runs on either side.

    python benchmarks/system/break_even_confirmed.py [--quick] [--update-docs]

Sweeps the size of the pipeline's pictures with Celery on two embedded slots and finds where it starts to beat
serial. Then two separate runs at half and at twice that size: Celery must hurt below it and help above it.
Takes about four minutes on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.analysis.scaling.sweep import sweeps
from orchestrator.analysis.verdicts.verdict import verdicts
from orchestrator.commands.progress import Lines
from orchestrator.measurement import session
from orchestrator.model.findings import Verdict
from orchestrator.model.runs import Run
from orchestrator.phrases.sweep import sweep_sentence
from orchestrator.planning.option_checks import check
from orchestrator.planning.options import Options

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

SLOTS = 2


def options(command: str, rounds: int, size: str | None = None) -> Options:
    """Return the options: the pipeline by Celery and serially, with an image server that answers at once."""
    return Options(
        command,
        stages=("pipeline",),
        strategies=("serial", "celery"),
        chunks=(4,),
        slots=SLOTS,
        latency_ms=0.0,
        images=16,
        size=size,
        rounds=str(rounds),
    )


def measured(asked: Options) -> Run:
    """Measure without showing progress."""
    with session.measured(asked, check(asked), Lines(), lambda _: None) as run:
        return run


def against_serial(run: Run) -> Verdict:
    """Return the verdict of a run with one stage."""
    return next(each for each in verdicts(run) if each.against == "serial")


def main() -> int:
    """Sweep, then confirm; return 1 if there is no crossing, or it is not confirmed."""
    arguments = parser(__doc__).parse_args()
    page = Page(__file__, arguments)
    rounds = 7 if arguments.quick else 9  # a verdict needs seven
    run = measured(options("breakeven", rounds))
    sweep = next(each for each in sweeps(run) if each.against == "serial")
    page.say(sweep_sentence(sweep, run))
    if sweep.found.kind != "crosses":
        return page.verdict(False, "the sweep found no single crossing to confirm.")
    side = round(sweep.found.crossovers[0].at ** 0.5)
    page.say()
    page.head("pictures", "Celery's time over serial's", "interval", "verdict", "confirms")
    confirmed = []
    for size, expected in ((side // 2, "hurts"), (side * 2, "helps")):
        verdict = against_serial(measured(options("run", rounds, f"{size}x{size}")))
        found = verdict.ratio
        assert found is not None
        confirmed.append(verdict.verdict == expected)
        page.row(
            f"{size}x{size}",
            f"{found.point:.2f}",
            "" if found.low is None else f"{found.low:.2f} to {found.high:.2f}",
            verdict.verdict,
            "yes" if confirmed[-1] else "no",
        )
    words = f"the crossing at {side}x{side} pixels, by runs at half and at twice that side."
    return page.verdict(all(confirmed), words)


if __name__ == "__main__":
    sys.exit(main())
