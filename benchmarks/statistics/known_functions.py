"""Is the answer on a user's function right? Asks for that of twenty functions of which it is known beforehand.

    python benchmarks/statistics/known_functions.py [--quick] [--budget 60] [--update-docs]

Each of `benchmarks/shared/functions.py` has a minute's budget (`--budget`). Counted are: the way to run it in-process
that is named as the fastest is one that must be, or within 5 % of it; "Celery helps" where it cannot; outputs that
differ; and, of functions that hold the GIL for 10 ms or more, from how many slots elsewhere Celery would pay, within
one slot of what follows from the processors here. Takes 25 minutes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.api import Result, run
from worker.remote_control import usable_cpus

MODULE = "benchmarks.shared.functions"
BUDGET_S, QUICK_BUDGET_S = 60.0, 20.0
CLOSE = 1.05  # times as long as the fastest takes, at most, to be named rightly
RIGHTLY = 19  # of the twenty
ARRAYS = f"{MODULE}:megabytes"


@dataclass(frozen=True)
class Known:
    """A function, its inputs, and who may be the fastest in-process: strategies, with `+` on more slots than usual."""

    name: str
    fastest: tuple[str, ...]
    inputs: str = "range(2000)"
    slots_elsewhere: int | None = None
    celery_may_help: bool = False


WAITS = ("threads+",)
COROUTINES = ("asyncio+", "threads+")
ALONE = ("serial",)
ONE_MORE = usable_cpus() + 1  # slots with which Celery does more than the processes here
KNOWN = (
    Known("sleep_1ms", WAITS),
    Known("sleep_10ms", WAITS),
    Known("sleep_100ms", WAITS),
    Known("coroutine_1ms", COROUTINES),
    Known("coroutine_10ms", COROUTINES),
    Known("loop_1us", ALONE),
    Known("loop_100us", ("serial", "processes")),
    Known("loop_1ms", ("processes",)),
    Known("loop_10ms", ("processes",), slots_elsewhere=ONE_MORE),
    Known("loop_100ms", ("processes",), slots_elsewhere=ONE_MORE),
    Known("hash_10ms", ("threads", "processes")),
    Known("hash_megabytes", ("threads", "processes")),
    Known("takes_megabyte", ALONE, ARRAYS),
    Known("gives_megabyte", ("serial", "threads")),
    Known("both_megabytes", ("serial", "threads"), ARRAYS),
    Known("memory_bound", ("serial", "threads", "processes")),
    Known("fails_tenth", WAITS),
    Known("mixed", ("processes", "threads", "threads+")),
    Known("nested", ("serial", "processes")),
    Known("uneven", WAITS),
)
QUICK = ("sleep_10ms", "loop_10ms", "takes_megabyte")


def label(result: Result) -> tuple[str, float]:
    """Return the row that the answer names as the fastest, and how many times as long as the fastest it takes."""
    times = {
        each.cell: known.point
        for each in result.cells
        if not each.cell.distributed and not each.cell.replica and (known := makespan(each)) is not None
    }
    stage = next(iter(result.findings.answer.stages), None)
    named = None if stage is None else stage.fastest
    if named is None or named not in times:
        return "nothing", float("inf")
    more = "+" if named.slots > result.run.plan.slots else ""
    return f"{named.strategy}{more}", times[named] / min(times.values())


def main() -> int:
    """Ask for each function; return 1 if the answers are not right often enough."""
    asked = parser(__doc__)
    asked.add_argument("--budget", type=float, default=BUDGET_S, help="seconds for each function")
    arguments = asked.parse_args()
    budget_s = QUICK_BUDGET_S if arguments.quick else arguments.budget
    page = Page(__file__, arguments)
    known = [each for each in KNOWN if not arguments.quick or each.name in QUICK]
    page.head(
        "function", "named as the fastest", "must be", "of the fastest's time", "Celery", "slots elsewhere"
    )
    right = wrong_outputs = false_alarms = off = 0
    for each in known:
        result = run(f"{MODULE}:{each.name}", each.inputs, budget=budget_s, progress=False)
        named, share = label(result)
        right += named in each.fastest or share <= CLOSE
        wrong_outputs += sum(sample.wrong for row in result.cells for sample in row.taken)
        stage = next(iter(result.findings.answer.stages), None)
        verdict = "none" if stage is None else stage.verdict.verdict
        false_alarms += verdict == "helps" and not each.celery_may_help
        slots = None if stage is None else stage.wins_from_slots_elsewhere
        if each.slots_elsewhere is not None:
            off += slots is None or abs(slots - each.slots_elsewhere) > 1
        wanted = "" if each.slots_elsewhere is None else f" (must be {each.slots_elsewhere})"
        page.row(
            each.name,
            named,
            " or ".join(each.fastest),
            f"{share:.2f}",
            verdict,
            f"{slots or 'never'}{wanted}",
        )
    goal = RIGHTLY * len(known) // len(KNOWN)
    met = right >= goal and not (wrong_outputs or false_alarms or off)
    return page.verdict(
        met,
        f"named rightly {right} of {len(known)} times (goal: {goal}); {false_alarms} times Celery helps where it "
        f"cannot, {wrong_outputs} outputs differ, {off} numbers of slots elsewhere are off by more than one.",
    )


if __name__ == "__main__":
    sys.exit(main())
