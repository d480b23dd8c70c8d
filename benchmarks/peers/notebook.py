"""Compare the notebook's published seconds with ours, row by row.

    python benchmarks/peers/notebook.py [--quick] [--update-docs]

The notebook printed these figures: one run each, on its author's machine, over the internet. Section numbers
are the notebook's. Ours are those of `orchestrator run --profile notebook`. Takes about six minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator import results
from orchestrator.analysis.analyse import Findings, analyse
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import number, seconds, spread

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

DEADLINE_S = 1800.0  # of the run


@dataclass(frozen=True, slots=True)
class Published:
    """A row of the notebook: its section, what it timed, and its seconds (`None`: never timed)."""

    section: str
    stage: str
    kernel: str
    strategy: str
    seconds: float | None


PUBLISHED = (
    Published("1.1", "download", "requests", "serial", 22.773748874664307),
    Published("1.2", "download", "requests", "threads", 2.589384078979492),
    Published("1.3", "download", "requests", "processes", 2.8966729640960693),
    Published("2.1", "decode", "getdata", "serial", 13.100675106048584),
    Published("2.2", "decode", "getdata", "threads", 14.157184839248657),
    Published("2.3", "decode", "getdata", "processes", 10.23697805404663),
    Published("3.1", "grayscale", "loop", "serial", 49.26708245277405),
    Published("3", "grayscale", "loop", "threads", 54.78285098075867),
    Published("3", "grayscale", "loop", "processes", 26.930018186569214),
    Published("2.4", "grayscale", "numpy", "serial", None),
    Published("2.5", "grayscale", "numpy", "vectorized", 0.8148548603057861),
)


def measured(quick: bool) -> Run:
    """Measure the notebook's workload; a quick one proves nothing."""
    few = ("--images", "4", "--rounds", "1") if quick else ()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "notebook.json"
        command = [sys.executable, "-m", "orchestrator", "run", "--profile", "notebook", *few]
        command += ["--output", folder, "--json", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=DEADLINE_S)
        return results.read(path)


def main() -> int:
    """Measure and print the table; there is no goal."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    run = measured(options.quick)
    for line in table(run, analyse(run)):
        page.say(line)
    return page.end()


def table(run: Run, findings: Findings) -> list[str]:
    """Return the rows of the notebook with ours, and Celery's rows below those of the same kernel.

    Raises:
        SystemExit: the result lacks a row of the notebook.
    """
    lines = [
        f"celery {run.environment.packages.get('celery')}, {len(findings.makespans)} cells, {run.plan.rounds} rounds.",
        "",
        "| section | stage | kernel | strategy | notebook | its ratio to serial | ours | our ratio to serial |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in PUBLISHED:
        result = _result(run, row)
        if result is None:
            sys.exit(f"the result has no row for {row.stage} {row.kernel} {row.strategy}")
        theirs = "never timed" if row.seconds is None else f"{row.seconds:.2f} s"
        lines.append(_line(row.section, result, theirs, _their_ratio(row), findings))
        if row is _last_of_kernel(row):
            lines += [_line("", each, "", "", findings) for each in _celery(run, row)]
    return lines


def _line(section: str, result: CellResult, theirs: str, ratio: str, findings: Findings) -> str:
    cell = result.cell
    makespan = findings.makespans[cell]
    ours = f"{seconds(makespan.point)} {spread(makespan)}".strip()
    cells = (section, cell.stage, cell.kernel, cell_name(cell), theirs, ratio, ours, _ratio(cell, findings))
    return f"| {' | '.join(cells)} |"


def _ratio(cell: Cell, findings: Findings) -> str:
    """Return the makespan over that of serial with the same kernel."""
    speedup = findings.versus_serial.get(cell)
    slower: Estimate | None = None if speedup is None else speedup.inverse
    return "" if slower is None else number(slower.point)


def _their_ratio(row: Published) -> str:
    serial = next(each for each in PUBLISHED if (each.kernel, each.strategy) == (row.kernel, "serial"))
    return "" if row.seconds is None or serial.seconds is None else number(row.seconds / serial.seconds)


def _result(run: Run, row: Published) -> CellResult | None:
    wanted = (row.stage, row.kernel, row.strategy)
    for result in run.cells:
        cell = result.cell
        if (cell.stage, cell.kernel, cell.strategy) == wanted and not cell.replica and result.samples:
            return result
    return None


def _last_of_kernel(row: Published) -> Published:
    return [each for each in PUBLISHED if (each.stage, each.kernel) == (row.stage, row.kernel)][-1]


def _celery(run: Run, row: Published) -> list[CellResult]:
    return [
        result
        for result in run.cells
        if (result.cell.stage, result.cell.kernel, result.cell.strategy) == (row.stage, row.kernel, "celery")
        and not result.cell.replica
        and result.samples
    ]


if __name__ == "__main__":
    sys.exit(main())
