"""Compare the notebook's published seconds with ours, row by row.

    orchestrator run --profile notebook --json notebook.json
    python benchmarks/peers/notebook.py notebook.json --update-docs

The notebook printed these figures: one run each, on its author's machine, over the internet. Section numbers
are the notebook's. It only reads a result, so it takes no time.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from orchestrator import results
from orchestrator.analysis.analyse import Findings, analyse
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import number, seconds, spread

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import MEASUREMENTS, replace_figures

DOCUMENT = MEASUREMENTS / "notebook.md"


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


def main() -> int:
    """Print the table, or write it into the docs; return 1 if the result lacks a row of the notebook."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path, help="a result of `orchestrator run --profile notebook`")
    parser.add_argument(
        "--update-docs", action="store_true", help="replace the table in docs/measurements/notebook.md"
    )
    options = parser.parse_args()
    run = results.read(options.result)
    findings = analyse(run)
    missing = [row for row in PUBLISHED if _result(run, row) is None]
    for row in missing:
        print(f"missing: {row.stage} {row.kernel} {row.strategy}", file=sys.stderr)
    text = "\n".join(table(run, findings))
    if options.update_docs and not missing:
        replace_figures(DOCUMENT, "notebook", text)
    print(text)
    return 1 if missing else 0


def table(run: Run, findings: Findings) -> list[str]:
    """Return the rows of the notebook with ours, and Celery's rows below those of the same kernel."""
    cpu, packages = run.environment.cpu, run.environment.packages
    lines = [
        f"{cpu.model}, {cpu.usable:g} processors, Python {run.environment.python}, celery {packages.get('celery')}, "
        f"{len(findings.makespans)} cells, {run.plan.rounds} rounds, {run.started_at[:10]}.",
        "",
        "| section | stage | kernel | strategy | notebook | its ratio to serial | ours | our ratio to serial |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in PUBLISHED:
        result = _result(run, row)
        if result is None:
            continue
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
