"""Does `compare` find a change between real runs of the same code, and a kernel that became slower?

    python benchmarks/system/runs_alike.py [--quick] [--runs 11] [--update-docs] [RESULT ...]

Runs `orchestrator run` eleven times, or reads RESULT files of one code. Each run is compared with the next: as it is,
and with each kernel in turn made a quarter slower: each of its rows takes longer by a quarter of the serial row's time,
divided by the row's slots. Exits with 1 if any pair shows a regression, more than one row in a hundred is called
changed, or fewer than nine in ten slower kernels are found. Takes as long as eleven runs, with --quick as two.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from orchestrator import results
from orchestrator.analysis.verdicts.regressions import Comparison, compare
from orchestrator.model.runs import Run

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

SLOWER = 1.25
FALSE_ROWS, FOUND = 0.01, 0.9
DEADLINE_S = 900.0  # of one run


def slowed(run: Run, stage: str, kernel: str) -> Run:
    """Return the run with a kernel that takes a quarter longer."""
    serial = next(
        each
        for each in run.cells
        if (each.cell.stage, each.cell.kernel) == (stage, kernel) and each.cell.slots == 1
    )
    more = (SLOWER - 1) * float(np.median(list(serial.makespans_s.values())))
    return replace(
        run,
        cells=tuple(
            replace(
                each,
                samples=tuple(
                    replace(sample, makespan_s=sample.makespan_s + more / each.cell.slots)
                    for sample in each.samples
                ),
            )
            if (each.cell.stage, each.cell.kernel) == (stage, kernel)
            else each
            for each in run.cells
        ),
    )


def changes(comparison: Comparison) -> int:
    """Return how many rows are called changed."""
    return sum(each.change in ("regression", "improvement", "invalid") for each in comparison.changes)


def of_results(page: Page, runs: Sequence[Run]) -> bool:
    """Print what `compare` finds in consecutive runs of one code; return whether it is what it should be."""
    rows = false_rows = false_runs = found = slower = 0
    shifts = []
    for old, new in pairwise(runs):
        comparison = compare(old, new)
        rows += len(comparison.changes)
        false_rows += changes(comparison)
        false_runs += comparison.regression
        shifts.append(comparison.shift.point if comparison.shift else 1.0)
        for stage, kernel in dict.fromkeys((each.cell.stage, each.cell.kernel) for each in new.cells):
            slower += 1
            one = compare(old, slowed(new, stage, kernel))
            names = {each.kernel for each in one.groups if (each.stage, each.change) == (stage, "regression")}
            names |= {
                each.cell.kernel
                for each in one.changes
                if (each.cell.stage, each.change) == (stage, "regression")
            }
            found += kernel in names
    page.say()
    page.head(
        "runs of one code", "rows called changed", "exit 1", "common shift", "kernels 25 % slower found"
    )
    page.row(
        f"{len(runs) - 1} pairs",
        f"{false_rows} of {rows}",
        f"{false_runs} of {len(runs) - 1}",
        f"{min(shifts):.2f} to {max(shifts):.2f}",
        f"{found} of {slower}",
    )
    return not false_runs and false_rows <= FALSE_ROWS * rows and found >= FOUND * slower


def measured(runs: int, folder: Path, quick: bool) -> list[Path]:
    """Return the result files of as many runs in a row."""
    few = ("--rounds", "3") if quick else ()
    for _ in range(runs):
        command = [sys.executable, "-m", "orchestrator", "run", "--output", str(folder), *few]
        subprocess.run(
            command, check=True, timeout=DEADLINE_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    return list(folder.glob("*.json"))


def main() -> int:
    """Print the table; return 1 if the same code is called changed, or slower kernels are missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=11)
    arguments.add_argument("results", nargs="*", type=Path, metavar="RESULT", help="result files of one code")
    options = arguments.parse_args()
    page = Page(__file__, options)
    with tempfile.TemporaryDirectory() as folder:
        files = options.results or measured(2 if options.quick else options.runs, Path(folder), options.quick)
        runs = sorted(map(results.read, files), key=lambda run: run.started_at)
    met = of_results(page, runs)
    return page.verdict(
        met, "no pair exits with 1, at most one row in a hundred is called changed, nine in ten are found."
    )


if __name__ == "__main__":
    sys.exit(main())
