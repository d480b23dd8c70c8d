"""`run`: the comparison."""

from __future__ import annotations

import sys

from orchestrator.commands import options as o


def run(
    profile: o.Profile = "quick",
    stage: o.Stages = None,
    kernel: o.Kernels = None,
    strategy: o.Strategies = None,
    transport: o.Transports = None,
    chunk: o.Chunks = None,
    data: o.Placements = None,
    images: o.Images = None,
    size: o.Size = None,
    source: o.Source = "origin",
    latency_ms: o.LatencyMs = None,
    bandwidth_mbit: o.BandwidthMbit = None,
    slots: o.Slots = None,
    rounds: o.Rounds = None,
    warmup: o.Warmup = None,
    seed: o.Seed = 1,
    margin: o.Margin = 0.05,
    broker: o.Broker = None,
    flower: o.Flower = False,
    output: o.Output = "results",
    json: o.Json = None,
) -> int:
    """Compare every stage, kernel and strategy, and say where Celery helps."""
    # Imported here: they load Celery, NumPy and pydantic, which --help can do without.
    from orchestrator.commands.comparison import Destination, run_and_report  # noqa: PLC0415
    from orchestrator.options import Options  # noqa: PLC0415

    asked = Options(
        profile=profile,
        stages=tuple(stage or ()),
        kernels=tuple(kernel or ()),
        strategies=tuple(strategy or ()),
        transports=tuple(transport or ()),
        chunks=tuple(chunk or ()),
        data=tuple(data or ()),
        images=images,
        size=size,
        source=source,
        latency_ms=latency_ms,
        bandwidth_mbit=bandwidth_mbit,
        slots=slots,
        rounds=rounds,
        warmup=warmup,
        seed=seed,
        margin=margin,
        broker=broker,
        flower=flower,
        arguments=tuple(sys.argv[1:]),
    )
    return run_and_report(asked, "run", Destination(output, json))
