"""Runs of a made-up fleet with known demands, to compare the computed ones with."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from orchestrator.model.environment import Broker, Preflight, Worker
from orchestrator.model.runs import Cell, CellResult, MeanHops, Run, Sample, Stations
from tests.unit.analysis.made_runs import STEADY, run_of

CELERY = Cell("download", "session", "celery", 1, "redis", 1, "local")
SERIAL = Cell("download", "session", "serial", 1)
EMBEDDED = Broker("valkey", "9.0", True)
ELSEWHERE = Broker("redis", "8.0", False)
PREFLIGHT = Preflight(1e-7, broker_rtt_s=0.0001, noop_task_s=0.004)

# The demands of a message with one task.
PUBLISH_S, COLLECT_S, HELD_S, OVERHEAD_S, CPU_S = 0.001, 0.0005, 0.100, 0.005, 0.002


def celery_result(
    slots: int,
    tasks: int = 24,
    factors: Sequence[float] = STEADY,
    publish_s: float = PUBLISH_S,
    held_s: float = HELD_S,
    cpu_s: float = CPU_S,
    broker_s: float | None = 0.0002,
    payload_bytes: int = 0,
    makespan_s: float | None = None,
    cell: Cell = CELERY,
) -> CellResult:
    """A Celery cell whose slots are the bottleneck unless `makespan_s` is given; a round for each factor."""
    messages = ceil(tasks / (cell.chunk or 1))
    waves, before = ceil(messages / slots), (messages - 1) % slots + 1
    slot_s = held_s * tasks / messages + OVERHEAD_S
    plain_s = before * max(publish_s, COLLECT_S) + waves * slot_s + COLLECT_S
    plain_s = plain_s if makespan_s is None else makespan_s
    hops = MeanHops(tasks, compute_s=held_s, compute_cpu_s=cpu_s)
    samples = tuple(
        Sample(
            round=index,
            position=0,
            at_s=float(index),
            makespan_s=plain_s * factor,
            tasks=tasks,
            ok=tasks,
            hops=replace(hops, compute_s=held_s * factor, compute_cpu_s=cpu_s * factor),
            stations=Stations(
                publish_s=messages * publish_s * factor,
                collect_s=messages * COLLECT_S * factor,
                slot_s=tasks * held_s * factor,
                payload_bytes=tasks * payload_bytes,
                messages=messages,
                broker_cpu_s=None if broker_s is None else tasks * broker_s * factor,
            ),
        )
        for index, factor in enumerate(factors)
    )
    return CellResult(replace(cell, slots=slots), 0.1, samples)


def with_times(result: CellResult) -> CellResult:
    """The cell with the service times of its tasks, all alike."""
    times_s = (HELD_S,) * result.samples[0].tasks
    samples = tuple(replace(each, service_times_s=times_s) for each in result.samples)
    return replace(result, samples=samples)


def with_cpu(
    result: CellResult, worker_s: float, image_server_s: float = 0.0, wait_s: float = 0.0
) -> CellResult:
    """The cell with what each task needed of the processors, and how long its worker waited for one."""

    def measured(sample: Sample) -> Sample:
        assert sample.stations is not None
        times = replace(
            sample.stations,
            worker_cpu_s=sample.tasks * worker_s,
            worker_wait_s=sample.tasks * wait_s,
            orchestrator_cpu_s=sample.tasks * (PUBLISH_S + COLLECT_S),
            image_server_cpu_s=sample.tasks * image_server_s,
        )
        return replace(sample, stations=times)

    return replace(result, samples=tuple(map(measured, result.samples)))


def plain_result(
    cell: Cell, makespan_s: float, tasks: int = 24, factors: Sequence[float] = STEADY
) -> CellResult:
    """A cell with this makespan; a round for each factor."""
    plain = Sample(0, 0, 0.0, makespan_s, tasks, tasks)
    return CellResult(
        cell,
        0.1,
        tuple(replace(plain, round=n, makespan_s=makespan_s * each) for n, each in enumerate(factors)),
    )


def fleet_run(
    *results: CellResult, broker: Broker = EMBEDDED, workers: Sequence[Worker] = (), usable: int = 2
) -> Run:
    """A run of these cells, by default with an embedded broker."""
    run = run_of(*results, preflight=PREFLIGHT)
    cpu = replace(run.environment.cpu, usable=usable)
    environment = replace(run.environment, cpu=cpu, broker=broker, workers=tuple(workers))
    return replace(run, environment=environment)
