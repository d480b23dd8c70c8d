"""`predict`: predict other fleets from a measured result."""

from __future__ import annotations

import json as json_
from typing import Annotated

import typer

from orchestrator.commands.signature import option


def predict(
    result: Annotated[
        str,
        typer.Argument(
            metavar="RESULT",
            help="A result of run, scale or breakeven with a Celery cell.",
            show_default=False,
        ),
    ],
    slots: Annotated[int, option("--slots", "Slots of the fleet that is not here.", "N", default=False)],
    rtt_ms: Annotated[
        float | None,
        option(
            "--rtt-ms",
            "Round trip in ms between the broker and those who use it; without it, as measured.",
            "MS",
            default=False,
        ),
    ] = None,
    bandwidth_mbit: Annotated[
        float | None,
        option(
            "--bandwidth-mbit",
            "What each machine's link carries each way, in Mbit/s; without it, as measured.",
            "MBIT",
            default=False,
        ),
    ] = None,
    hosts: Annotated[
        int | None,
        option(
            "--hosts",
            "Machines like the measured one that the slots are spread over, beside the orchestrator's; without it, the "
            "slots share the measured ones.",
            "N",
            default=False,
        ),
    ] = None,
    tasks: Annotated[
        int | None, option("--tasks", "Tasks in the batch; without it, as measured.", "N", default=False)
    ] = None,
    stage: Annotated[str | None, option("--stage", "Only this stage.", "NAME", default=False)] = None,
    json: Annotated[bool, option("--json", "Print JSON and nothing else.")] = False,
) -> int:
    """Predict what a fleet that is not here would make of the measured work, and say on what assumptions.

    Of each stage the best Celery cell is predicted, on other slots, machines and networks; every figure has an
    interval. Example: orchestrator predict results/RUN.json --slots 64 --hosts 16 --tasks 1000 --rtt-ms 1
    """
    # Imported here: they load NumPy, pydantic and simpy, which --help can do without.
    from pathlib import Path  # noqa: PLC0415

    from orchestrator import results  # noqa: PLC0415
    from orchestrator.commands.prediction import fleet_of, predictions  # noqa: PLC0415
    from orchestrator.reports.prediction import as_document, render  # noqa: PLC0415

    fleet = fleet_of(slots, rtt_ms, bandwidth_mbit, hosts)
    found = predictions(results.read(Path(result)), fleet, tasks, stage)
    typer.echo(json_.dumps(as_document(found), indent=1) if json else render(found))
    return 0
