"""Do sweeps of the same thing contradict each other? The same `breakeven --slots 2`, again and again.

    python benchmarks/system/break_even_agrees.py [--quick] [--rounds N] [--update-docs]

Two sweeps contradict each other if, at a size that both measured, one says that Celery is significantly faster and
the other that it is significantly slower, or if they assert break-evens whose intervals have nothing in common. No two
of ten may. Takes about half an hour on two cores.
"""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.scaling.crossover import BreakEven, side_of
from orchestrator.analysis.scaling.sweep import Sweep, smallest_difference
from orchestrator.commands.progress import Lines
from orchestrator.measurement import session
from orchestrator.model.runs import Run
from orchestrator.phrases.headline import headline
from orchestrator.planning.option_checks import check
from orchestrator.planning.options import Options

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

RUNS = 10


def measured(quick: bool, rounds: int | None) -> Run:
    """Sweep the size, as `breakeven --slots 2` does; a quick one stops at small pictures."""
    small: dict[str, object] = {"high": 256.0, "points": 6, "rounds": "6"} if quick else {}
    if rounds is not None and not quick:
        small["rounds"] = str(rounds)
    asked = Options("breakeven", slots=2, **small)  # type: ignore[arg-type]
    with session.measured(asked, check(asked), Lines(), lambda _: None) as run:
        return run


def sides(sweep: Sweep, run: Run) -> dict[float, int]:
    """Return what a sweep says of each size: 1 slower, -1 faster, 0 nothing."""
    return {point.at: side_of(point, smallest_difference(run)) for point in sweep.found.points}


def contradict(one: tuple[Sweep, Run], other: tuple[Sweep, Run]) -> bool:
    """Return whether two sweeps of one stage and opponent cannot both be right."""
    ours, theirs = sides(*one), sides(*other)
    if any(ours[at] * theirs[at] < 0 for at in ours.keys() & theirs.keys()):
        return True
    return _apart(one[0].found, other[0].found)


def _apart(one: BreakEven, other: BreakEven) -> bool:
    if not one.kind == other.kind == "crosses":
        return False
    ours, theirs = one.crossovers[0], other.crossovers[0]
    return (ours.high or 0) < (theirs.low or 0) or (theirs.high or 0) < (ours.low or 0)


def main() -> int:
    """Sweep, compare each pair; return 1 if two contradict each other."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--rounds", type=int, help="of each sweep, in place of what fits into five minutes"
    )
    options = arguments.parse_args()
    page = Page(__file__, options)
    runs = [measured(options.quick, options.rounds) for _ in range(2 if options.quick else RUNS)]
    page.head("run", "headline")
    for number, run in enumerate(runs, start=1):
        page.row(str(number), headline(analyse(run)).text)
    found = [{each.against: each for each in analyse(run).sweeps} for run in runs]
    contradictions = [
        (one + 1, other + 1, against)
        for one, other in combinations(range(len(runs)), 2)
        for against in found[one].keys() & found[other].keys()
        if contradict((found[one][against], runs[one]), (found[other][against], runs[other]))
    ]
    page.say()
    for one, other, against in contradictions:
        page.say(f"Runs {one} and {other} contradict each other, against {against}.")
    return page.verdict(not contradictions, f"no two of {len(runs)} sweeps contradict each other.")


if __name__ == "__main__":
    sys.exit(main())
