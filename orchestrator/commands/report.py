"""`report`: render a saved result again."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from orchestrator.commands.signature import option
from orchestrator.errors import UsageError

SUFFIXES: Final = {
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".csv": "csv",
}  # the default format of each


def report(
    result: Annotated[str, typer.Argument(metavar="RESULT", help="A result file.", show_default=False)],
    format_: Annotated[
        str | None,
        option(
            "--format",
            "terminal, markdown, html, csv, svg or png.",
            "NAME",
            default="by the suffix of --output, else terminal",
        ),
    ] = None,
    output: Annotated[
        str | None,
        option(
            "--output",
            "Write to this file instead of standard output; for svg and png: to this folder, a file a chart.",
            "FILE",
            default=False,
        ),
    ] = None,
    table: Annotated[
        bool,
        option(
            "--table",
            "In the terminal format: every row and every warning before the answer.",
            default=False,
        ),
    ] = False,
) -> int:
    """Render a saved result again."""
    # Imported here: they load NumPy, altair and pydantic, which --help can do without.
    from orchestrator import results  # noqa: PLC0415
    from orchestrator.analysis.analyse import analyse  # noqa: PLC0415
    from orchestrator.reports import PICTURES, REPORTS, terminal  # noqa: PLC0415

    formats = (*REPORTS, *PICTURES)
    if format_ is None:
        format_ = _format_of(output)
    if format_ not in formats:
        raise UsageError(f"unknown format {format_!r}; choose from {', '.join(formats)}")
    if table and format_ != "terminal":
        raise UsageError(
            f"--table has no effect on format {format_}; leave it out, or give --format terminal"
        )
    run = results.read(Path(result))
    if format_ in PICTURES:
        if output is None:
            raise UsageError(
                f"--format {format_} writes a file for each chart: name a folder for them with --output"
            )
        for name, content in PICTURES[format_](run, analyse(run)).items():
            _write(Path(output) / name, content)
    elif output is not None:
        render = partial(terminal.render, table=table) if format_ == "terminal" else REPORTS[format_]
        _write(Path(output), render(run, analyse(run)).encode())
    elif format_ == "terminal":
        from orchestrator.commands.execute import show  # noqa: PLC0415 - loads Celery

        show(run, table)
    elif format_ == "html" and sys.stdout.isatty():
        raise UsageError("--format html is a page for a browser: name a file for it with --output")
    else:
        # As bytes: it goes into a file, which is UTF-8 in every locale.
        typer.echo(REPORTS[format_](run, analyse(run)).encode(), nl=False)
    return 0


def _format_of(output: str | None) -> str:
    """The format of a file's suffix, the terminal's for any other."""
    suffix = Path(output or "").suffix.lower()
    if suffix in (".svg", ".png"):
        raise UsageError(
            f"--output {output} is one file, but there are several charts: name a folder for them, with --format "
            f"{suffix[1:]}"
        )
    return SUFFIXES.get(suffix, "terminal")


def _write(path: Path, content: bytes) -> None:
    from orchestrator.results import make_folder  # noqa: PLC0415 - as above

    try:
        make_folder(path.parent)
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another --output") from None
    typer.echo(path, err=True)
