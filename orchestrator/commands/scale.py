"""`scale`: the same work on more and more slots."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands import options as o

Counts = Annotated[str, typer.Option("--slots", metavar="N,N,...", help="Numbers of slots, such as 1,2,4.")]


def scale(
    slots: Counts = "1,2,3,4",
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
    """Measure the same work on more and more slots: the curve, what bounds it, and the COST."""
    asked = o.options_of({name: value for name, value in locals().items() if name != "slots"})
    # Imported here: they load Celery, NumPy and pydantic, which --help can do without.
    from orchestrator.commands.execute import Destination, announce, run_and_report  # noqa: PLC0415
    from orchestrator.measurement.session import Job  # noqa: PLC0415
    from orchestrator.planning.sweeps import parse_slots, scale_plan  # noqa: PLC0415

    counts = parse_slots(slots)
    told = announce if flower else None
    job = Job("scale", lambda fleet_slots: scale_plan(asked, counts, fleet_slots), broker, told)
    return run_and_report(job, Destination(output, json))
