"""A session: everything a measurement needs is brought up, measured round by round, and put away."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.external import external_fleet, inspect_broker
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.processes import Processes
from orchestrator.inputs.serving import Inputs, prepared_inputs
from orchestrator.machine import environment
from orchestrator.model import Cell, Plan, Run
from orchestrator.preflight import preflight
from orchestrator.proving import prove
from orchestrator.record import Record, now
from orchestrator.rounds import Rounds, Watcher
from orchestrator.strategies import STRATEGIES
from orchestrator.strategies.strategy import Strategy
from worker.memory import keep_freed_memory
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure, and on whose workers.

    `plan` makes the plan, given the slots of an external fleet (`None` before they are known, and for an
    embedded one). `broker` is the URL of the external fleet's broker, `None` for an embedded fleet.
    """

    command: str
    plan: Callable[[int | None], Plan]
    broker: str | None = None
    events: bool = False


def measure_job(job: Job, watcher: Watcher, save: Callable[[Run], None]) -> Run:
    """Measure everything that the job plans.

    Args:
        job: what to measure.
        watcher: is told how far it is.
        save: is given what was measured, after every round and at the end, whatever the end is.

    Returns:
        The complete run.

    Raises:
        BreakevenError: what was asked makes no sense, or something needed is not there.
        KeyboardInterrupt: the user has had enough; what was measured was saved.
    """
    keep_freed_memory()
    plan = job.plan(None)
    if job.broker is not None:
        inspect_broker(job.broker, embedded=False)  # before anything else is started
    with ExitStack() as stack:
        processes = stack.enter_context(Processes())
        inputs = prepared_inputs(plan, processes, job.broker, watcher.step)
        fleet, fleet_startup_s = _fleet(stack, job, plan, processes, inputs, watcher)
        if job.broker is not None and fleet is not None:
            plan = job.plan(fleet.slots)
        record = _begin(job.command, plan, fleet, inputs)
        watcher.step("Preflight")
        record.run = replace(record.run, preflight=preflight(fleet))
        strategies = stack.enter_context(_strategies(record, fleet, fleet_startup_s, watcher))
        record.run = replace(record.run, proof=prove(record.run.plan.cells, strategies, inputs))
        try:
            Rounds(record, strategies, inputs, fleet, watcher).take(save)
        except BaseException:
            save(record.as_run(complete=False))
            raise
    run = record.as_run(complete=True)
    save(run)
    return run


def _fleet(
    stack: ExitStack, job: Job, plan: Plan, processes: Processes, inputs: Inputs, watcher: Watcher
) -> tuple[Fleet | None, float | None]:
    """The fleet that the plan's cells need, and how long it took to be there."""
    wanted = [cell.slots for cell in plan.cells if STRATEGIES[cell.strategy].needs_fleet]
    if not wanted:
        return None, None
    started = time.perf_counter()
    if job.broker is None:
        watcher.step(f"Starting a broker and {max(wanted)} workers")
        fleet = stack.enter_context(embedded_fleet(processes, max(wanted), job.events, inputs.origins))
    else:
        watcher.step("Looking for workers")
        fleet = stack.enter_context(external_fleet(Settings(broker_url=job.broker)))
    fleet.synchronise()
    return fleet, time.perf_counter() - started


def _begin(command: str, plan: Plan, fleet: Fleet | None, inputs: Inputs) -> Record:
    """An empty record of a run that starts now; cells whose stage got no input at all are left out."""
    cells = tuple(cell for cell in plan.cells if inputs.tasks(cell))
    workers = tuple(member.as_worker() for member in fleet.members) if fleet else ()
    return Record(
        Run(
            id=secrets.token_hex(4),
            command=command,
            started_at=now(),
            finished_at=None,
            complete=False,
            environment=environment(fleet.broker if fleet else None, workers),
            plan=replace(plan, cells=cells),
        )
    )


@contextmanager
def _strategies(
    record: Record, fleet: Fleet | None, fleet_startup_s: float | None, watcher: Watcher
) -> Iterator[Mapping[Cell, Strategy]]:
    """A strategy for every cell, entered and timed; cells that differ only in the work share one."""
    ready: dict[Cell, tuple[Strategy, float]] = {}
    startups: dict[Cell, float] = {}
    by_cell: dict[Cell, Strategy] = {}
    with ExitStack() as stack:
        for cell in record.run.plan.cells:
            place = replace(cell, stage="", kernel="", replica=0, width=None, height=None, latency_ms=None)
            if place not in ready:
                watcher.step(f"Starting {cell.label}")
                started = time.perf_counter()
                strategy = stack.enter_context(STRATEGIES[cell.strategy].make(cell, fleet))
                ready[place] = strategy, time.perf_counter() - started
            by_cell[cell], startups[cell] = ready[place]
            if STRATEGIES[cell.strategy].needs_fleet:
                startups[cell] += fleet_startup_s or 0.0
        record.startups = startups
        yield by_cell
