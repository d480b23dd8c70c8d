"""Made-up runs whose times the test chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.model.environment import Cpu, Environment, Load, Preflight
from orchestrator.model.runs import Cell, CellResult, MeanHops, Plan, Run, Sample

SERIAL = Cell("grayscale", "numpy", "serial", 1)
SERIAL_AGAIN = replace(SERIAL, replica=1)
THREADS = Cell("grayscale", "numpy", "threads", 2)
PROCESSES = Cell("grayscale", "numpy", "processes", 2)
REDIS = Cell("grayscale", "numpy", "celery", 2, "redis", 4, "local")
INLINE = Cell("grayscale", "numpy", "celery", 2, "inline", 1, "local")
RESIDENT = replace(REDIS, data="resident")

STEADY = (1.00, 1.01, 0.99, 1.02, 0.98, 1.005, 0.995)
"""Seven factors around 1, within 2 %."""

ENVIRONMENT = Environment(Cpu("a processor", 2, 2.0), 8 << 30, "Linux", "3.13.1", True, {"celery": "5.6.0"})
HOPS = MeanHops(
    tasks=8,
    compute_s=0.010,
    compute_cpu_s=0.009,
    publish_s=0.001,
    queue_s=0.004,
    fetch_s=0.002,
    store_s=0.001,
    return_s=0.002,
    latency_s=0.021,
    unexplained_s=0.001,
    clock_bound_s=0.0001,
)


def samples(times: Sequence[float], **sample: object) -> tuple[Sample, ...]:
    """Return a sample for each time; every task ends well unless `sample` changes that."""
    plain = Sample(round=0, position=0, at_s=0.0, makespan_s=1.0, tasks=8, ok=8)
    return tuple(
        replace(plain, round=index, at_s=10.0 * index, makespan_s=time, **sample)
        for index, time in enumerate(times)
    )


def result(cell: Cell, times: Sequence[float], **sample: object) -> CellResult:
    """Return a cell measured once a round."""
    return CellResult(cell, 0.1, samples(times, **sample))


def run_of(
    *results: CellResult,
    loads: Sequence[Load] = (),
    preflight: Preflight | None = None,
    complete: bool = True,
    margin: float = 0.05,
    planned: Sequence[Cell] = (),
) -> Run:
    """Return a run of these cells."""
    cells = (*(each.cell for each in results), *planned)
    plan = Plan("quick", 7, 8, 64, 64, 2, 7, 1, "origin", 0.0, None, cells=cells, margin=margin)
    return Run(
        id="made",
        command="run",
        started_at="2026-01-01T00:00:00Z",
        finished_at=None,
        complete=complete,
        environment=ENVIRONMENT,
        plan=plan,
        preflight=preflight,
        cells=results,
        loads=tuple(loads),
    )


def run_of_kernels(
    slower: Mapping[Cell, float] | None = None, everything: float = 1.0, kernels: int = 12
) -> Run:
    """Return a run of a serial, a threads and a Celery row for each of several kernels, `numpy` the first.

    Args:
        slower: The factors by which some rows take longer.
        everything: The factor by which every row takes longer.
        kernels: How many kernels.
    """
    cells = [
        replace(cell, kernel=kernel)
        for kernel in ("numpy", *(f"other-{number}" for number in range(kernels - 1)))
        for cell in (SERIAL, THREADS, REDIS)
    ]
    times = {SERIAL.strategy: 1.0, THREADS.strategy: 0.5, REDIS.strategy: 2.0}
    return run_at({cell: everything * times[cell.strategy] * (slower or {}).get(cell, 1.0) for cell in cells})


def run_at(levels: Mapping[Cell, float], factors: Sequence[float] = STEADY) -> Run:
    """Return a run whose cells take these seconds, times factors that start elsewhere for each."""
    return run_of(
        *(
            result(cell, [level * factor for factor in (*factors[turn:], *factors[:turn])])
            for turn, (cell, level) in enumerate(levels.items())
        )
    )
