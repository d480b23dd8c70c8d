"""Two sides on one broker: our Celery strategy, and a script of a few lines with its own workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from benchmarks.shared.page import ROOT
from benchmarks.shared.plain_process import PlainProcess
from benchmarks.shared.real_rounds import Batch
from benchmarks.shared.turns import Side
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet, worker_command
from orchestrator.fleet.fleet import Fleet
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.celery import Celery
from worker.contract import Payload, Task

SCRIPT = "benchmarks.shared.idiomatic_celery"


@contextmanager
def one_broker(slots: int, origins: tuple[str, ...] = ()) -> Iterator[tuple[ChildProcesses, Fleet]]:
    """Start an embedded broker with a fleet whose clocks are known."""
    with ChildProcesses() as processes, embedded_fleet(processes, slots, False, origins) as fleet:
        fleet.measure_clock_offsets()
        yield processes, fleet


def ours(stack: ExitStack, fleet: Fleet, slots: int, transport: str, chunk: int) -> Celery:
    """Enter our strategy and check that it is ready."""
    return stack.enter_context(Celery(slots, fleet, transport, chunk, "local"))


def measured(strategy: Strategy, work: Batch) -> Side:
    """Measure one batch with our clock and check every hop and output; a bad sample ends the script."""

    def seconds() -> float:
        sample, failures = measure(strategy, work.tasks, work.expected, SamplePosition(0, 0, 0.0))
        if failures or not sample.correct:
            raise RuntimeError(f"{strategy} gave {sample} with {failures}")
        return sample.makespan_s

    return seconds


def nothing(count: int) -> Batch:
    """Return tasks that do nothing."""
    payload: Payload = ""
    tasks = tuple(Task(number, "diagnostics", "noop", payload) for number in range(count))
    return Batch(tasks, dict.fromkeys(range(count), payload))


def script(
    stack: ExitStack,
    processes: ChildProcesses,
    fleet: Fleet,
    slots: int,
    delivery: str,
    does: Mapping[str, tuple[Callable[[Any], object], Any, Callable[[Any, Any], None]]],
) -> dict[str, Side]:
    """Return the sides of the script: `slots` workers, started like ours, and a plain process for each side.

    Args:
        stack: ends the processes.
        processes: ends the workers.
        fleet: whose broker is used.
        slots: number of workers with one slot each.
        delivery: `ours` for our workers' settings of delivery, `default` for Celery's.
        does: the function of each side that does its batch, its input, and a check of its output.
    """
    settings = {
        "BENCH_BROKER": fleet.settings.broker_url,
        "BENCH_DELIVERY": delivery,
        "BENCH_QUEUE": f"script-{delivery}",
        "PYTHONPATH": str(ROOT),
    }
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for number in range(1, slots + 1):
        command = worker_command(f"{delivery}{number}@script", events=False)
        command = [SCRIPT if part == "worker.app" else part for part in command]
        processes.start(f"script-{delivery}{number}", command, {**settings, **threads})
    with mock.patch.dict(os.environ, settings):
        return {
            name: stack.enter_context(PlainProcess(function, [given], check)).seconds
            for name, (function, given, check) in does.items()
        }
