"""`report`: renders a saved result again."""

from __future__ import annotations

from typing import Annotated

import typer


def report(
    result: Annotated[str, typer.Argument(help="A result file.", show_default=False)],
    format_: Annotated[str, typer.Option("--format", help="terminal, markdown or csv.")] = "terminal",
) -> int:
    """Render a saved result again."""
    # Imported here: they load NumPy and pydantic, which --help can do without.
    from pathlib import Path  # noqa: PLC0415

    from orchestrator import results  # noqa: PLC0415
    from orchestrator.analysis.findings import analyse  # noqa: PLC0415
    from orchestrator.commands.comparison import show  # noqa: PLC0415
    from orchestrator.errors import UsageError  # noqa: PLC0415
    from orchestrator.reports import REPORTS  # noqa: PLC0415

    if format_ not in REPORTS:
        raise UsageError(f"unknown format {format_!r}; choose from {', '.join(REPORTS)}")
    run = results.read(Path(result))
    if format_ == "terminal":
        show(run)
    else:
        typer.echo(REPORTS[format_](run, analyse(run)), nl=False)
    return 0
