"""A small run with exact figures, for tests of whatever takes a run."""

from __future__ import annotations

from orchestrator.model.environment import Broker, Cpu, Environment, Load, Preflight, Worker
from orchestrator.model.runs import Cell, CellResult, MeanHops, Plan, Run, Sample

SERIAL = Cell("grayscale", "numpy", "serial", 1)
THREADS = Cell("grayscale", "numpy", "threads", 2)
CELERY = Cell("grayscale", "numpy", "celery", 2, "redis", 1, "local")
AGAIN = Cell("grayscale", "numpy", "celery", 2, "redis", 1, "local", replica=1)
JITTER = (1.0, 1.01, 0.99, 1.02, 0.98, 1.005, 0.995)
HOPS = MeanHops(
    tasks=8,
    compute_s=0.001,
    compute_cpu_s=0.0009,
    publish_s=0.0005,
    queue_s=0.002,
    fetch_s=0.0003,
    store_s=0.0002,
    return_s=0.001,
    latency_s=0.0051,
    unexplained_s=0.0001,
    clock_bound_s=1e-6,
)


def result(cell: Cell, makespan_s: float, hops: MeanHops | None = None, shift: int = 0) -> CellResult:
    """A cell's result, seven rounds around `makespan_s` with a jitter of two per cent."""
    samples = tuple(
        Sample(
            round=number,
            position=shift,
            at_s=float(number),
            makespan_s=makespan_s * JITTER[(number + shift) % 7],
            tasks=8,
            ok=8,
            slots_seen=cell.slots,
            hops=hops,
            service_times_s=() if hops is None else (0.0015,) * 8,
        )
        for number in range(7)
    )
    return CellResult(cell, 0.5, samples)


def example_run() -> Run:
    """One stage, three strategies and the A/A pair; Celery takes twice as long as threads."""
    cells = (
        result(SERIAL, 0.010),
        result(THREADS, 0.006, shift=1),
        result(CELERY, 0.012, HOPS, shift=2),
        result(AGAIN, 0.012, HOPS, shift=3),
    )
    return Run(
        id="0123abcd",
        command="run",
        started_at="2026-01-02T03:04:05.678Z",
        finished_at="2026-01-02T03:05:05.678Z",
        complete=True,
        environment=Environment(
            cpu=Cpu("Example CPU", 2, 2.0),
            memory_bytes=8 << 30,
            platform="Linux 6.1 x86_64",
            python="3.13.0",
            gil=True,
            packages={"celery": "5.7.0", "numpy": "2.4.6"},
            broker=Broker("valkey", "9.1.2", embedded=True),
            workers=(
                Worker("slot1@embedded", 1, 2.0, "3.13.0", 0.0, 1e-6),
                Worker("slot2@embedded", 1, 2.0, "3.13.0", 0.0, 1e-6),
            ),
        ),
        plan=Plan(
            profile="quick",
            seed=1,
            images=8,
            width=320,
            height=240,
            slots=2,
            rounds=7,
            warmup=1,
            source="origin",
            latency_ms=10.0,
            bandwidth_mbit=None,
            cells=tuple(each.cell for each in cells),
        ),
        preflight=Preflight(1e-7, 5e-5, 5e8, 2e9, 0.0015),
        cells=cells,
        loads=tuple(Load(number, 0.01, 0.0, None, 2600.0) for number in range(7)),
    )
