"""`run`: the comparison."""

from __future__ import annotations

from orchestrator.commands import options as o


def run(
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
    """Compare every stage, kernel and strategy, and say where Celery helps."""
    asked = o.options_of(locals())
    # Imported here: they load Celery, NumPy and pydantic, which --help can do without.
    from orchestrator.commands.execute import Destination, announce, run_and_report  # noqa: PLC0415
    from orchestrator.measurement.session import Job  # noqa: PLC0415
    from orchestrator.planning.plan import plan  # noqa: PLC0415

    told = announce if flower else None
    job = Job("run", lambda fleet_slots: plan(asked, fleet_slots), broker, told)
    return run_and_report(job, Destination(output, json))
