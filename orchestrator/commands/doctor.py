"""`doctor`: check that everything a run needs is there."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.signature import option, typer_option
from orchestrator.planning.options import DOCTOR, options_of


def doctor(
    broker: Annotated[str | None, typer_option(options_of(DOCTOR)["broker"][1])] = None,
    flower_url: Annotated[
        str,
        option("--flower-url", "Where to look for Flower.", "URL", envvar="BREAKEVEN_FLOWER_URL"),
    ] = "http://127.0.0.1:5555",
    flower_link: Annotated[
        str | None,
        option(
            "--flower-link",
            "Where a browser finds that Flower, if elsewhere: the port that a container publishes.",
            "URL",
            envvar="BREAKEVEN_FLOWER_LINK",
        ),
    ] = None,
) -> int:
    """Check that everything a run needs is there. Says what to do about what is missing."""
    # Imported here: they load Celery and psutil, which --help can do without.
    from orchestrator.measurement.doctor import run_checks  # noqa: PLC0415

    healthy = True
    for check in run_checks(broker, flower_url, flower_link):
        mark = {True: "ok", False: "MISSING", None: "note"}[check.passed]
        typer.echo(f"{mark:<8}{check.what}: {check.found}")
        if check.remedy:
            typer.echo(f"        -> {check.remedy}")
        healthy = healthy and check.passed is not False
    return 0 if healthy else 3
