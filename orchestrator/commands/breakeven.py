"""`breakeven`: the size of the work from which Celery pays."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands import options as o

Axis = Annotated[
    str,
    typer.Option(
        "--axis",
        metavar="size|latency|chunk",
        help="What is swept: size (of synthetic images), latency (of whatever our origin serves) or chunk.",
    ),
]
From = Annotated[
    float | None, typer.Option("--from", metavar="NUMBER", help="Where the sweep begins.", show_default=False)
]
To = Annotated[
    float | None, typer.Option("--to", metavar="NUMBER", help="Where it ends.", show_default=False)
]
Points = Annotated[
    int, typer.Option("--points", metavar="N", help="How many points, at even steps of the logarithm.")
]


def breakeven(
    axis: Axis = "size",
    from_: From = None,
    to: To = None,
    points: Points = 7,
    profile: o.Profile = "quick",
    stage: o.Stages = None,
    kernel: o.Kernels = None,
    strategy: o.Strategies = None,
    transport: o.Transports = None,
    chunk: o.Chunks = None,
    data: o.Placements = None,
    events: o.Events = None,
    images: o.Images = None,
    size: o.Size = None,
    source: o.Source = "origin",
    latency_ms: o.LatencyMs = None,
    bandwidth_mbit: o.BandwidthMbit = None,
    slots: o.Slots = None,
    rounds: o.Rounds = None,
    target: o.Target = None,
    budget: o.Budget = None,
    warmup: o.Warmup = None,
    seed: o.Seed = 1,
    margin: o.Margin = 0.05,
    broker: o.Broker = None,
    flower: o.Flower = False,
    output: o.Output = "results",
    json: o.Json = None,
) -> int:
    """Sweep the work of a task and find where Celery starts to pay, with an interval."""
    asked = o.options_of(locals())
    # Imported here: they load Celery, NumPy and pydantic, which --help can do without.
    from orchestrator.commands.execute import Destination, announce, run_and_report  # noqa: PLC0415
    from orchestrator.measurement.session import Job  # noqa: PLC0415
    from orchestrator.planning.sweeps import breakeven_plan  # noqa: PLC0415

    job = Job(
        "breakeven",
        lambda fleet_slots: breakeven_plan(asked, axis, from_, to, points, fleet_slots),
        broker,
        announce if flower else None,
    )
    return run_and_report(job, Destination(output, json))
