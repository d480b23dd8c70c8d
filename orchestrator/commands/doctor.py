"""`doctor`: is everything there?"""

from __future__ import annotations

import typer

from orchestrator.commands import options as o


def doctor(broker: o.Broker = None) -> int:
    """Check broker, workers, versions and clocks, and say what to do about what is missing."""
    # Imported here: they load Celery and psutil, which --help can do without.
    from orchestrator.diagnosis import diagnose  # noqa: PLC0415

    healthy = True
    for check in diagnose(broker):
        mark = {True: "ok", False: "MISSING", None: "note"}[check.passed]
        typer.echo(f"{mark:<8}{check.what}: {check.found}")
        if check.remedy:
            typer.echo(f"        -> {check.remedy}")
        healthy = healthy and check.passed is not False
    return 0 if healthy else 3
