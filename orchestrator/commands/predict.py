"""`predict`: predict other fleets from a measured result."""

from __future__ import annotations

import json as json_
from typing import Annotated, Final

import typer

from orchestrator.commands.signature import option
from orchestrator.errors import UsageError

ARRIVALS: Final = "poisson"


def predict(
    result: Annotated[
        str,
        typer.Argument(
            metavar="RESULT",
            help="A result of run, scale or breakeven with a Celery cell; with --rate, of run or scale.",
            show_default=False,
        ),
    ],
    slots: Annotated[
        int | None,
        option(
            "--slots",
            "Slots of the predicted fleet; with --rate and --objective, by default the fewest that keep the promise.",
            "N",
            default=False,
        ),
    ] = None,
    rtt_ms: Annotated[
        float | None,
        option(
            "--rtt-ms",
            "Round trip in ms between the broker and each machine; by default, as measured.",
            "MS",
            default=False,
        ),
    ] = None,
    bandwidth_mbit: Annotated[
        float | None,
        option(
            "--bandwidth-mbit",
            "What each machine's link carries each way, in Mbit/s; by default, as measured.",
            "MBIT",
            default=False,
        ),
    ] = None,
    hosts: Annotated[
        int | None,
        option(
            "--hosts",
            "Machines like the measured one for the slots, beside the orchestrator's; by default, the slots share the "
            "measured ones.",
            "N",
            default=False,
        ),
    ] = None,
    tasks: Annotated[
        int | None,
        option(
            "--tasks",
            "Tasks in the batch; by default, as measured, or all inputs of a function of yours. With --rate, tasks in "
            "each simulated run; by default, 5,000.",
            "N",
            default=False,
        ),
    ] = None,
    stage: Annotated[
        str | None,
        option("--stage", "Only this stage; with --rate, by default the last one.", "NAME", default=False),
    ] = None,
    rates: Annotated[
        str | None,
        option(
            "--rate",
            "Predict the latency at these arrival rates, in tasks a second, such as 10,20,40.",
            "N,N,...",
            default=False,
        ),
    ] = None,
    objective: Annotated[
        str | None,
        option(
            "--objective",
            "With --rate, a promise, such as p95=0.5: says how many slots finish 95 % of the tasks within 0.5 s.",
            "pNN=SECONDS",
            default=False,
        ),
    ] = None,
    arrivals: Annotated[
        str | None,
        option("--arrivals", "How tasks arrive, with --rate.", "poisson|constant", default=ARRIVALS),
    ] = None,
    json: Annotated[bool, option("--json", "Print JSON and nothing else.")] = False,
) -> int:
    """Predict what a fleet that is not here would do. Lists its assumptions.

    Predicts the best Celery cell of each stage on other slots, machines and networks; every figure has an interval.
    With --rate, predicts the latency of tasks that arrive one by one, and how many slots keep a promise.
    Examples: orchestrator predict results/RUN.json --slots 64 --hosts 16 --tasks 1000 --rtt-ms 1;
    orchestrator predict results/RUN.json --hosts 8 --rate 40 --objective p95=0.5
    """
    # Imported here: they load NumPy, pydantic and simpy, which --help can do without.
    from pathlib import Path  # noqa: PLC0415

    from orchestrator import results  # noqa: PLC0415
    from orchestrator.commands.prediction import fleet_of, latencies, predictions  # noqa: PLC0415
    from orchestrator.reports.prediction import (  # noqa: PLC0415
        as_document,
        latency_document,
        render,
        render_latency,
    )

    for flag, value in {"--objective": objective, "--arrivals": arrivals}.items():
        if rates is None and value is not None:
            raise UsageError(f"{flag} {value} has no effect without --rate; add that, or leave {flag} out")
    run = results.read(Path(result))
    if rates is not None:
        fleet = fleet_of(1 if slots is None else slots, rtt_ms, bandwidth_mbit, hosts)
        arriving = ARRIVALS if arrivals is None else arrivals
        latency = latencies(run, fleet, rates, slots, objective, arriving, tasks, stage)
        text = json_.dumps(latency_document(latency), indent=1) if json else render_latency(latency)
    else:
        found = predictions(run, fleet_of(slots, rtt_ms, bandwidth_mbit, hosts), tasks, stage)
        text = json_.dumps(as_document(found), indent=1) if json else render(found)
    typer.echo(text)
    return 0
