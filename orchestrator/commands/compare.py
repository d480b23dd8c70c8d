"""`compare`: compare two saved results, cell by cell."""

from __future__ import annotations

import sys
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.signature import option
from orchestrator.errors import UsageError


def compare(
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="The result file to compare with.", show_default=False)
    ],
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="The result file that is judged.", show_default=False)
    ],
    across: Annotated[
        bool,
        option("--across", "Compare different machines or versions, and say so in every line."),
    ] = False,
    json: Annotated[bool, option("--json", "The same as --format json.")] = False,
    format_: Annotated[
        str | None, option("--format", "terminal (the default), markdown or json.", "NAME")
    ] = None,
) -> int:
    """Say what became slower or faster between two results. The exit code is 1 on a regression."""
    # Imported here: they load NumPy and pydantic, which --help can do without.
    from orchestrator import results  # noqa: PLC0415
    from orchestrator.analysis.verdicts.regressions import compare as compare_runs  # noqa: PLC0415
    from orchestrator.phrases.comparison import refusal  # noqa: PLC0415
    from orchestrator.reports import comparison as comparison_reports  # noqa: PLC0415
    from orchestrator.reports.terminal import screen  # noqa: PLC0415

    if json and format_ not in (None, "json"):
        raise UsageError(f"--json and --format {format_} are two formats; choose one")
    chosen = "json" if json else format_ or "terminal"
    if chosen not in comparison_reports.COMPARISON_REPORTS:
        raise UsageError(
            f"unknown format {chosen!r}; choose from {', '.join(comparison_reports.COMPARISON_REPORTS)}"
        )
    before, after = results.read(Path(old)), results.read(Path(new))
    for path, run in ((old, before), (new, after)):
        if not all(0 < sample.makespan_s < inf for each in run.cells for sample in each.samples):
            raise UsageError(f"{path}: not a whole result: a makespan is not a positive number of seconds")
    comparison = compare_runs(before, after)
    if (reason := refusal(comparison, across)) is not None:
        raise UsageError(reason)
    if not comparison.changes and not comparison.latencies:
        loaded = [{each.cell for each in run.cells if each.open_loops} for run in (before, after)]
        if loaded[0] & loaded[1]:
            raise UsageError(
                f"{old} and {new} have no p95 or p99, because too few tasks arrived or too many were unfinished; "
                "measure both with a longer --duration or more --rounds, or at a lower --rate"
            )
        raise UsageError(
            f"{old} and {new} have no measured cell in common; measure both with the same --stage, --kernel, "
            "--strategy, --slots, --transport and --chunk, or the same --rate"
        )
    console = screen()
    if chosen == "terminal" and console.is_terminal:
        console.print(comparison_reports.report(comparison, before, after, console.width))
    else:
        sys.stdout.write(comparison_reports.COMPARISON_REPORTS[chosen](comparison, before, after))
    return int(comparison.regression)
