"""What happens to tasks when something breaks? Every fault of tests/faults, repeated and counted.

    python benchmarks/system/faults.py [--quick] [--update-docs] [--times N] [--only NAME]

Each fault hits a batch on a real broker with real workers. The batch is measured again, as a run would, until a
sample is undisturbed, at most three times; counts are over all of these. `unexpected` are wrong outputs, and
tasks that did not end exactly once. Recovery is the longest time from the fault to the next undisturbed batch.
Takes about an hour on two cores, with --quick (once each) about eight minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import MEASUREMENTS, Page, parser
from tests.faults.catalogue import FAULTS, Fault
from tests.faults.trial import Trial

TIMES = 10
COUNTS = ("attempted", "ok", "failed", "lost", "duplicated", "unexpected")
HEAD = ("fault", "tried", *COUNTS, "recovery", "exit", "test")


def tried(fault: Fault, times: int) -> Trial:
    """Return the sum of repeated trials of a fault, each with a fresh broker and workers."""
    total = Trial()
    for number in range(times):
        print(f"{fault.inject.__name__} {number + 1} of {times}", file=sys.stderr, flush=True)
        with fault.set_up() as place:
            total += fault.inject(place)
    return total


def kept(document: Path) -> dict[str, list[str]]:
    """Return the rows that the docs have, by the name of the fault's function."""
    rows = [
        line.strip("| ").split(" | ")
        for line in document.read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    return {row[-1].strip("`"): row for row in rows}


def measured(fault: Fault, times: int) -> tuple[list[str], bool]:
    """Return the row of a fault, and whether it went as expected."""
    total = tried(fault, times)
    counts = (total.attempted, total.ok, total.failed, total.lost, total.duplicated, total.unexpected)
    recovery = "-" if total.recovery_s is None else f"{total.recovery_s:.1f} s"
    row = [
        fault.name,
        str(times),
        *map(str, counts),
        recovery,
        str(total.exit_code),
        f"`{fault.inject.__name__}`",
    ]
    if total.left:
        print(f"left behind: {', '.join(total.left)}", file=sys.stderr)
    return row, not total.unexpected and not total.left and as_expected(fault, total)


def as_expected(fault: Fault, total: Trial) -> bool:
    """Return whether exit code, losses and repetitions are those that the catalogue allows."""
    code = total.exit_code == fault.exit_code or (fault.loses and total.exit_code == 1 and total.lost > 0)
    return code and (fault.loses or not total.lost) and (fault.repeats or not total.duplicated)


def main() -> int:
    """Print the table; return 1 if a task did not end exactly once, or something was left behind."""
    options = parser(__doc__)
    options.add_argument("--times", type=int, default=TIMES, help="how often each fault is tried")
    options.add_argument(
        "--only",
        action="append",
        help="a fault's function name, repeatable; other rows stay as the docs have them",
    )
    chosen = options.parse_args()
    times = 1 if chosen.quick else chosen.times
    page = Page(__file__, chosen)
    page.head(*HEAD)
    before, failed = kept(MEASUREMENTS / "reliability.md"), []
    for fault in FAULTS:
        name = fault.inject.__name__
        if not chosen.only or name in chosen.only:
            row, well = measured(fault, times)
            failed += [] if well else [name]
            page.row(*row)
        elif name in before:
            page.row(*before[name])
    if failed:
        return page.verdict(False, f"not as the catalogue of faults has it: {', '.join(failed)}.")
    return page.verdict(
        True,
        "every task ended exactly once, every fault as the catalogue has it, and nothing was left behind.",
    )


if __name__ == "__main__":
    sys.exit(main())
