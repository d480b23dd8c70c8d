"""Is METG what it is said to be? Measured again with tasks of half and of twice the length, and foretold.

    python benchmarks/system/task_length.py [--quick] [--rounds 10] [--update-docs]

Sweeps the length of `spin` tasks five times with the kernel that holds the GIL, on two embedded slots. Then separate
runs with tasks of half and of twice the `work_s` that the first sweep found: the efficiency must be below and above
one half in at least 19 of 20. The length that each preflight foretold must be within 25 % of the measured one, for
Celery with one task a message and for processes. Intervals are to be within 10 %, for Celery 15 %. Takes about
fifteen minutes on two cores.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from orchestrator.analysis.scaling.granularity import Granularity, granularities
from orchestrator.commands.progress import Lines
from orchestrator.measurement import session
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import interval, seconds
from orchestrator.planning.option_checks import check
from orchestrator.planning.options import Options

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

SLOTS = 2
SWEEPS, ROUNDS = 5, 10
REPEATS = 4  # runs with tasks of half, and of twice the length
CHUNKS = (1, 4)
STRATEGIES = ("serial", "processes", "celery")
WIDEST = {"processes": 0.10, "celery": 0.15}
FORETOLD_WITHIN = 0.25
LEAST_RIGHT = 0.95


def measured(asked: Options) -> Run:
    """Measure without showing progress."""
    with session.measured(asked, check(asked), Lines(), lambda _: None) as run:
        return run


def swept(rounds: int) -> Run:
    """Sweep the length of a task."""
    return measured(Options("breakeven", axis="work", strategies=STRATEGIES, slots=SLOTS, rounds=str(rounds)))


def side(cell: Cell, work_s: float, rounds: int) -> float:
    """Return the efficiency of a cell with tasks of another length, from a run of its own."""
    run = measured(
        Options(
            stages=("spin",),
            kernels=(cell.kernel,),
            strategies=("serial", cell.strategy),
            transports=() if cell.transport is None else (cell.transport,),
            chunks=(cell.chunk or 1,),
            slots=SLOTS,
            images=64,
            work_ms=1000 * work_s,
            rounds=str(rounds),
        )
    )
    # A run is a sweep of one length.
    (found,) = granularities(replace(run, plan=replace(run.plan, axis="work")))
    own_s, slot_s = found.points[0].typical_s
    return own_s / slot_s


def compared(found: Iterable[Granularity]) -> Iterator[Granularity]:
    """Yield the cells whose length was found, for which there is a goal."""
    return (each for each in found if each.work_s is not None)


def half_width(found: Granularity) -> float:
    """Return half the interval of METG as a share."""
    metg = found.metg_s
    if metg is None or metg.low is None or metg.high is None:
        return float("inf")
    return (metg.high - metg.low) / 2 / metg.point


def say_lengths(page: Page, found: list[Granularity]) -> bool:
    """Print METG of each cell; return whether every interval is narrow enough."""
    page.head("cell", "METG", "interval", "half of it", "the function's own time")
    for each in found:
        metg, work = each.metg_s, each.work_s
        page.row(
            cell_name(each.cell),
            each.kind if metg is None else seconds(metg.point),
            interval(metg, seconds),
            f"{half_width(each):.0%}" if metg else "",
            seconds(work.point if work else None),
        )
    return all(half_width(each) <= WIDEST[each.cell.strategy] for each in found)


def say_foretold(page: Page, runs: list[Run]) -> bool:
    """Print what each preflight foretold; return whether all are within the goal."""
    page.head("sweep", "cell", "foretold", "measured", "error")
    fine = True
    for number, run in enumerate(runs, start=1):
        for each in granularities(run):
            expected_s = None if run.preflight is None else run.preflight.overhead_s(each.cell)
            if each.cell.chunk != 1 or each.work_s is None or expected_s is None:
                continue
            error = expected_s / each.work_s.point - 1
            fine &= abs(error) <= FORETOLD_WITHIN
            page.row(
                str(number),
                cell_name(each.cell),
                seconds(expected_s),
                seconds(each.work_s.point),
                f"{error:+.0%}",
            )
    return fine


def main() -> int:
    """Sweep, measure again, compare; return 1 if a goal is missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help="of each sweep and run")
    options = arguments.parse_args()
    page = Page(__file__, options)
    sweeps, repeats, rounds = (1, 1, 6) if options.quick else (SWEEPS, REPEATS, options.rounds)
    runs = [swept(rounds) for _ in range(sweeps)]
    found = list(granularities(runs[0]))
    narrow = say_lengths(page, found)
    page.say()
    foretold = say_foretold(page, runs)
    page.say()
    page.head("cell", "tasks of", "efficiency", "expected")
    right = []
    for each in compared(found):
        for factor, above in ((0.5, False), (2.0, True)):
            for _ in range(repeats):
                work_s = factor * (each.work_s.point if each.work_s else 0.0)
                share = side(each.cell, work_s, rounds)
                right.append((share > each.threshold) == above)
                page.row(
                    cell_name(each.cell),
                    seconds(work_s),
                    f"{share:.0%}",
                    "above half" if above else "below half",
                )
    met = sum(right) >= LEAST_RIGHT * len(right) > 0
    return page.verdict(
        narrow and foretold and met,
        f"intervals within 10 % (Celery 15 %): {'yes' if narrow else 'no'}; foretold within {FORETOLD_WITHIN:.0%}: "
        f"{'yes' if foretold else 'no'}; on the right side of one half in {sum(right)} of {len(right)}.",
    )


if __name__ == "__main__":
    sys.exit(main())
