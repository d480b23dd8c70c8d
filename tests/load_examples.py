"""Runs under load with made-up times, for tests of whatever takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.model.runs import Cell, CellResult, MeanHops, Run, Sample, Trace
from tests.examples import CELERY, THREADS, example_run

DURATION_S = 10.0


def trace(
    planned_s: Sequence[float],
    latencies_s: Sequence[float | None],
    duration_s: float = DURATION_S,
    lag_s: float = 0.001,
    lost: Sequence[int] = (),
) -> Trace:
    """A trace of tasks; a latency of `None` is one without an end."""
    ends = [None if late is None else at + late for at, late in zip(planned_s, latencies_s, strict=True)]
    return Trace(
        duration_s,
        tuple(round(at * 1e6) for at in planned_s),
        tuple(round((at + lag_s) * 1e6) for at in planned_s),
        tuple(None if end is None else round(end * 1e6) for end in ends),
        tuple(None if end is None else 500 for end in ends),
        tuple(lost),
    )


def sample(of: Trace, number: int = 0, **more: object) -> Sample:
    """A sample of an open loop, in which every task with an end ended well."""
    tasks = sum(at >= 0 for at in of.planned_us)
    ended = sum(at >= 0 and end is not None for at, end in zip(of.planned_us, of.ended_us, strict=True))
    return Sample(number, 0, 20.0 * number, of.duration_s, tasks, ended, trace=of, **more)  # type: ignore[arg-type]


def at_rate(
    cell: Cell, rate: float, latency_s: float, rounds: int = 3, lag_s: float = 0.001, **more: object
) -> CellResult:
    """A cell at a rate, where latencies go through ten values around one."""
    planned_s = [number / rate for number in range(int(rate * DURATION_S))]
    latencies_s = [latency_s * (0.8 + 0.05 * (7 * number % 10)) for number in range(len(planned_s))]
    hops = MeanHops(len(planned_s), latency_s / 2, latency_s / 2)
    of = trace(planned_s, latencies_s, lag_s=lag_s)
    return CellResult(
        replace(cell, rate_per_s=rate),
        0.5,
        open_loops=tuple(sample(of, number, hops=hops, **more) for number in range(rounds)),
    )


def load_run(*results: CellResult, **plan: object) -> Run:
    """A run under load; without results, threads and Celery at two rates."""
    cells = results or tuple(
        at_rate(cell, rate, latency_s)
        for cell, latency_s in ((THREADS, 0.02), (CELERY, 0.05))
        for rate in (20.0, 40.0)
    )
    run = example_run()
    made = replace(
        run.plan,
        axis="rate",
        arrivals="poisson",
        duration_s=DURATION_S,
        rounds=3,
        cells=tuple(each.cell for each in cells),
        arguments=("load", "--rate", "20,40"),
        **plan,  # type: ignore[arg-type]
    )
    return replace(run, command="load", plan=made, cells=cells)
