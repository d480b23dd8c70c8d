"""A session: everything a measurement needs is brought up, measured round by round, and put away."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

import redis

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.external import external_fleet, inspect_broker, settings_for
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.flower import Access, start_flower
from orchestrator.fleet.run_lock import RunLock
from orchestrator.inputs import source
from orchestrator.inputs.provisioning import Inputs, prepared_inputs
from orchestrator.measurement.example_output import example_output
from orchestrator.measurement.machine import environment
from orchestrator.measurement.preflight import preflight
from orchestrator.measurement.recorder import Recorder, now
from orchestrator.measurement.rounds import Rounds, Watcher
from orchestrator.model.runs import Cell, Plan, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.strategies.base import Strategy, make_strategy
from worker.allocator import keep_freed_memory
from worker.redaction import redact
from worker.settings import allowing


@dataclass(frozen=True, slots=True)
class Job:
    """What to measure, and on whose workers.

    `plan` makes the plan, given the slots of an external fleet (`None` before they are known, and for an
    embedded one). `broker` is the URL of the external fleet's broker, `None` for an embedded fleet. Where
    `flower` is given, a Flower is started beside an embedded fleet, and it is told how to get there.
    """

    command: str
    plan: Callable[[int | None], Plan]
    broker: str | None = None
    flower: Callable[[Access], None] | None = None


def measure_job(job: Job, watcher: Watcher, save: Callable[[Run], None]) -> Run:
    """Measure everything that the job plans, and put everything away; see `measured`."""
    with measured(job, watcher, save) as run:
        return run


@contextmanager
def measured(job: Job, watcher: Watcher, save: Callable[[Run], None]) -> Iterator[Run]:
    """Measure everything that the job plans; the fleet and its Flower stay for as long as the context does.

    Args:
        job: what to measure.
        watcher: is told how far it is.
        save: is given what was measured, after every round and at the end, whatever the end is.

    Yields:
        The complete run.

    Raises:
        BreakevenError: what was asked makes no sense, or something needed is not there.
        KeyboardInterrupt: the user has had enough; what was measured was saved.
    """
    keep_freed_memory()
    plan = _with_what_the_source_has(job.plan(None))
    _check_flower(job, plan)
    if job.broker is not None:
        inspect_broker(settings_for(job.broker), embedded=False)  # before anything else is started
    with ExitStack() as stack:
        processes = stack.enter_context(ChildProcesses())
        inputs = prepared_inputs(plan, processes, job.broker, watcher.step)
        stack.enter_context(allowing(inputs.origins))
        fleet, fleet_startup_s = _fleet(stack, job, plan, processes, inputs, watcher)
        if job.broker is not None and fleet is not None:
            plan = _with_what_the_source_has(job.plan(fleet.slots))
        record = _begin(job.command, plan, fleet, inputs)
        watcher.step("Preflight")
        record.run = replace(record.run, preflight=preflight(fleet))
        strategies = stack.enter_context(_strategies(record, fleet, fleet_startup_s, watcher))
        record.run = replace(record.run, proof=example_output(record.run.plan.cells, strategies, inputs))
        try:
            Rounds(record, strategies, inputs, fleet, watcher).take(save)
        except BaseException:
            save(record.as_run(complete=False))
            raise
        run = record.as_run(complete=True)
        save(run)
        yield run


def _with_what_the_source_has(plan: Plan) -> Plan:
    """The plan with the images of its batches: of a folder no more than it has files.

    Raises:
        BreakevenError: the source makes no sense or is not there.
    """
    return replace(plan, images=source.parse(plan.source).count(plan.images))


def _check_flower(job: Job, plan: Plan) -> None:
    """Raise `UsageError` where a Flower of ours would have nothing to show, or not be the only one."""
    if job.flower is None:
        return
    if job.broker is not None:
        raise UsageError(
            "--flower is for embedded workers, and --broker names others; see theirs with "
            "'docker compose up flower' or 'celery -A worker.app flower'"
        )
    if not any(cell.distributed for cell in plan.cells):
        raise UsageError("--flower has nothing to show without Celery; add --strategy celery")


def _fleet(
    stack: ExitStack, job: Job, plan: Plan, processes: ChildProcesses, inputs: Inputs, watcher: Watcher
) -> tuple[Fleet | None, float | None]:
    """The fleet that the plan's cells need, and how long it took to be there."""
    wanted = [cell.slots for cell in plan.cells if cell.distributed]
    if not wanted:
        return None, None
    started = time.perf_counter()
    if job.broker is None:
        watcher.step(f"Starting a broker and {max(wanted)} workers")
        events = job.flower is not None or any(cell.events == "on" for cell in plan.cells)
        fleet = stack.enter_context(embedded_fleet(processes, max(wanted), events, inputs.origins))
    else:
        watcher.step("Looking for workers")
        fleet = stack.enter_context(_external(job.broker, processes))
        stack.enter_context(_alone(fleet, processes))
    fleet.measure_clock_offsets()
    startup_s = time.perf_counter() - started
    if job.flower is not None:
        watcher.step("Starting Flower")
        job.flower(start_flower(processes, fleet.settings.broker_url, len(fleet.workers)))
    return fleet, startup_s


@contextmanager
def _external(broker: str, processes: ChildProcesses) -> Iterator[Fleet]:
    """The workers on a broker; the supervisor's cleanup is cancelled once this process has cleaned up."""
    fleet: Fleet | None = None
    try:
        with external_fleet(settings_for(broker)) as fleet:
            yield fleet
    finally:
        if fleet is None or fleet.is_cleaned_up:  # where this was cut short, the supervisor cleans up
            processes.set_cleanup([], {})


@contextmanager
def _alone(fleet: Fleet, processes: ChildProcesses) -> Iterator[None]:
    """Nobody else measures on the fleet's broker meanwhile, and nothing stays there if this process is killed.

    Raises:
        UnavailableError: another run does.
    """
    lock = RunLock(fleet.settings, fleet.run_id)
    lock.acquire()
    clear = [sys.executable, "-m", "orchestrator.fleet.cleanup", fleet.run_id]
    processes.set_cleanup(clear, {"BREAKEVEN_BROKER_URL": fleet.settings.broker_url})
    fleet.recovery.checks.append(lock.check)
    try:
        yield
    finally:
        fleet.recovery.checks.remove(lock.check)
        with suppress(redis.RedisError, OSError):
            lock.release()


def _begin(command: str, plan: Plan, fleet: Fleet | None, inputs: Inputs) -> Recorder:
    """An empty record of a run that starts now.

    Raises:
        UnavailableError: a stage that was asked for gets no input at all.
    """
    idle = next((cell.stage for cell in plan.cells if not inputs.tasks(cell)), None)
    if idle is not None:
        raise UnavailableError(
            f"{idle} has nothing to do: not one picture of {redact(plan.source)} could be decoded; check --source, or "
            "choose other stages with --stage"
        )
    workers = tuple(member.as_worker() for member in fleet.workers) if fleet else ()
    return Recorder(
        Run(
            id=secrets.token_hex(4),
            command=command,
            started_at=now(),
            finished_at=None,
            complete=False,
            environment=replace(
                environment(fleet.broker if fleet else None, workers),
                payload_store=fleet.payload_store if fleet else None,
            ),
            plan=replace(plan, source=redact(plan.source)),
        )
    )


@contextmanager
def _strategies(
    record: Recorder, fleet: Fleet | None, fleet_startup_s: float | None, watcher: Watcher
) -> Iterator[Mapping[Cell, Strategy]]:
    """A strategy for every cell, entered and timed; cells that differ only in the work share one."""
    ready: dict[Cell, tuple[Strategy, float]] = {}
    startups: dict[Cell, float] = {}
    by_cell: dict[Cell, Strategy] = {}
    with ExitStack() as stack:
        for cell in record.run.plan.cells:
            place = replace(cell, stage="", kernel="", replica=0, width=None, height=None, latency_ms=None)
            if place not in ready:
                watcher.step(f"Starting {cell_name(cell)}")
                started = time.perf_counter()
                strategy = stack.enter_context(make_strategy(cell, fleet))
                ready[place] = strategy, time.perf_counter() - started
            by_cell[cell], startups[cell] = ready[place]
            if cell.distributed:
                startups[cell] += fleet_startup_s or 0.0
        record.startups = startups
        yield by_cell
