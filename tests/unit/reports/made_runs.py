"""Runs that every report must show, however little is in them or however odd it is."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.inputs.synthetic import photograph
from orchestrator.measurement.example_output import thumbnails
from orchestrator.model.environment import Cpu, Worker
from orchestrator.model.runs import Cell, CellResult, Run, Stations, TaskFailure
from tests.examples import CELERY, HOPS, SERIAL, THREADS, example_run, result

PROCESSES = replace(THREADS, strategy="processes")
CHUNKED = replace(CELERY, chunk=4)

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&'\"../../x"


def hostile() -> Run:
    """A run in which every name tries to break out of the page."""
    run = example_run()
    cell = Cell(EVIL, EVIL, EVIL, 2, EVIL, 1, "local")
    renamed = tuple(replace(each, cell=replace(each.cell, stage=EVIL, kernel=EVIL)) for each in run.cells)
    failed = replace(result(cell, 0.01, HOPS), failures=(TaskFailure(0, EVIL, EVIL),))
    return replace(
        run,
        plan=replace(run.plan, source=EVIL, profile=EVIL, arguments=("run", "--source", EVIL)),
        environment=replace(run.environment, cpu=Cpu(EVIL, 2, 2.0), platform=EVIL, packages={EVIL: EVIL}),
        cells=(*renamed, failed),
    )


def _samples(run: Run, **changes: int) -> Run:
    return replace(
        run,
        cells=tuple(
            replace(each, samples=tuple(replace(sample, **changes) for sample in each.samples))
            for each in run.cells
        ),
    )


def _served(stations: Stations) -> Run:
    """The example, with these station times in each of its Celery samples."""
    run = example_run()
    return replace(run, cells=tuple(_celery(each, stations=stations) for each in run.cells))


def _hopped(**seconds: float) -> Run:
    """The example, whose Celery tasks spent only these times."""
    run = example_run()
    none = replace(HOPS, publish_s=0.0, fetch_s=0.0, store_s=0.0, unexplained_s=0.0)
    return replace(run, cells=tuple(_celery(each, hops=replace(none, **seconds)) for each in run.cells))


def _celery(result: CellResult, **changes: object) -> CellResult:
    """The result with these changes to its samples, if it is of a Celery cell."""
    if not result.cell.distributed:
        return result
    return replace(result, samples=tuple(replace(each, **changes) for each in result.samples))


def every_run() -> dict[str, Run]:
    """Runs, by what is unusual about them."""
    run = example_run()
    return {
        "example": run,
        "no cells": replace(run, cells=()),
        "no samples": replace(
            run, complete=False, cells=tuple(replace(each, samples=()) for each in run.cells)
        ),
        "one round": replace(
            run, complete=False, cells=tuple(replace(each, samples=each.samples[:1]) for each in run.cells)
        ),
        "serial alone": replace(run, cells=run.cells[:1]),
        "Celery alone": replace(run, cells=run.cells[2:]),
        "outputs differ": _samples(run, wrong=1),
        "every task failed": _samples(run, ok=0, failed=8),
        "tasks lost": _samples(run, ok=7, lost=1),
        "no preflight": replace(run, preflight=None),
        "no message was answered": _served(Stations(0.001, 0.002, 0.01, 100_000, 0, 0.001)),
        "less than nothing collected": _served(Stations(0.001, -0.002, 0.01, 100_000, 8, -0.001)),
        "no hop takes any time": _hopped(
            compute_s=0.0, queue_s=-0.002, return_s=-0.001, latency_s=-0.002, clock_bound_s=0.005
        ),
        "hostile names": hostile(),
        "sweep of the size": swept(),
        "sweep of the slots": scaled(),
        "sweep of the chunk": chunked(),
    }


def quick_sized() -> Run:
    """A run with as many cells and samples as a quick one, with the picture before and after."""
    run = example_run()
    kernels = {
        "download": ("requests", "session"),
        "decode": ("getdata", "asarray"),
        "grayscale": ("loop", "numpy"),
        "pipeline": ("best",),
    }
    cells = []
    for stage, names in kernels.items():
        for number, kernel in enumerate(names):
            for place, like in enumerate((SERIAL, THREADS, PROCESSES, CELERY, CHUNKED)):
                cell = replace(like, stage=stage, kernel=kernel)
                hops = HOPS if cell.distributed else None
                cells.append(result(cell, 0.01 * (1 + place) / (1 + 20 * number), hops, shift=place))
    last = cells[-1]
    cells.append(result(replace(last.cell, replica=1), 0.05, HOPS, shift=3))
    before = photograph(1, 0, 320, 240)
    proof = thumbnails(before, before[..., 1], "celery")
    plan = replace(run.plan, cells=tuple(each.cell for each in cells))
    return replace(run, cells=tuple(cells), plan=plan, proof=proof)


def swept() -> Run:
    """A sweep of the size, in which Celery starts to pay between 200 and 400 pixels a side."""
    run = example_run()
    cells = []
    for side in (64, 96, 144, 216, 324, 486, 729):
        for like, fixed_s, pixel_s in (
            (SERIAL, 0.0001, 4e-8),
            (THREADS, 0.0002, 3e-8),
            (CELERY, 0.001, 2e-8),
        ):
            cell = replace(like, width=side, height=side)
            hops = HOPS if cell.distributed else None
            cells.append(result(cell, fixed_s + pixel_s * side * side, hops, shift=len(cells)))
    plan = replace(run.plan, axis="size", cells=tuple(each.cell for each in cells))
    return replace(run, command="breakeven", cells=tuple(cells), plan=plan)


def chunked() -> Run:
    """A sweep of the chunk, where Celery pays from 3 tasks on; it has verdicts, because the work is the same."""
    run = example_run()
    cells = [result(SERIAL, 0.010)]
    for shift, chunk in enumerate((1, 2, 4, 8, 16), 1):
        cells.append(result(replace(CELERY, chunk=chunk), 0.006 + 0.010 / chunk, HOPS, shift=shift))
    plan = replace(run.plan, axis="chunk", cells=tuple(each.cell for each in cells))
    return replace(run, command="breakeven", cells=tuple(cells), plan=plan)


def with_stations(run: Run) -> Run:
    """The run with station times in its Celery samples, so that bounds can be computed."""
    stations = Stations(0.001, 0.001, 0.005, 0, messages=8, broker_cpu_s=0.0001)
    return replace(
        run,
        cells=tuple(
            replace(each, samples=tuple(replace(sample, stations=stations) for sample in each.samples))
            if each.cell.distributed
            else each
            for each in run.cells
        ),
    )


def scaled() -> Run:
    """1 to 8 slots on 16 processors: threads do not scale; Celery does, and beats serial with 3 slots."""
    run = example_run()
    cells = [result(SERIAL, 0.010)]
    for slots in (1, 2, 3, 4, 6, 8):
        cells.append(result(replace(THREADS, slots=slots), 0.010 + 0.0004 * slots, shift=slots))
        makespan_s = 0.024 * (1 + 0.05 * (slots - 1) + 0.004 * slots * (slots - 1)) / slots
        cells.append(result(replace(CELERY, slots=slots), makespan_s, HOPS, shift=slots + 1))
    workers = (Worker("fleet", 8, 16.0, "3.13.0", 0.0, 1e-6),)
    environment = replace(run.environment, cpu=Cpu("Example CPU", 16, 16.0), workers=workers)
    plan = replace(run.plan, axis="slots", slots=8, cells=tuple(each.cell for each in cells))
    return replace(run, command="scale", cells=tuple(cells), plan=plan, environment=environment)
