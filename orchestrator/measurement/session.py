"""A session: bring up everything that a run needs, measure round by round, and close everything."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import redis

from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.external import external_fleet, inspect_broker, settings_for
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.flower import start_flower
from orchestrator.fleet.run_lock import RunLock
from orchestrator.fleet.workers import check_function
from orchestrator.inputs.provisioning import Inputs, prepared_inputs
from orchestrator.inputs.source import ORIGIN, Source, parse
from orchestrator.measurement.example_output import example_output
from orchestrator.measurement.function_process import ContainedRow, FunctionProcess
from orchestrator.measurement.function_trial import Trial, try_workers
from orchestrator.measurement.function_trial import trial as function_trial
from orchestrator.measurement.machine import environment, free_memory
from orchestrator.measurement.preflight import preflight, task_overheads
from orchestrator.measurement.recorder import Recorder, now
from orchestrator.measurement.rounds import Rounds, Watcher, most_sent_per_s
from orchestrator.model.runs import Cell, Plan, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.function import introduction
from orchestrator.phrases.numbers import count
from orchestrator.planning.cells import embedded_workers, pools_of_fleet
from orchestrator.planning.function_plan import fitted
from orchestrator.planning.options import Options
from orchestrator.planning.oversubscription import oversubscription
from orchestrator.planning.plan import layout_of, limits_of, needs_fleet, resolve
from orchestrator.planning.sweeps import points_of, with_lengths
from orchestrator.strategies.base import Strategy, make_strategy
from worker.allocator import keep_freed_memory
from worker.redaction import redact_url
from worker.remote_control import usable_cpus
from worker.settings import allowing


@contextmanager
def measured(
    options: Options, source: Source, watcher: Watcher, save: Callable[[Run], None]
) -> Iterator[Run]:
    """Measure what the options ask for; the fleet and its Flower stay up as long as the context.

    Args:
        options: checked by `option_checks.check`.
        source: of the images, as the same check returned it.
        watcher: follows the progress.
        save: takes what was measured so far, after every round and at the end, even after an error.
    """
    keep_freed_memory()
    if options.broker is not None:
        inspect_broker(settings_for(options.broker), embedded=False)  # before anything else is started
    with ExitStack() as stack:
        processes = stack.enter_context(ChildProcesses())
        fleet: Fleet | None = None
        slots, startup_s = None, 0.0
        if options.broker is not None and needs_fleet(options):
            fleet, startup_s = _found_fleet(stack, options.broker, processes, watcher)
            options, slots = _on_fleet(options, fleet)
        trial = None
        if options.function is not None:
            trial = stack.enter_context(function_trial(options, processes, watcher.step, watcher.note))
            check_function(fleet.workers if fleet else (), trial.tried.name, trial.tried.version)
            layout = layout_of(replace(options, tried=trial.tried), slots)
            options = fitted(options, layout, trial.tried)
        notes: list[str] = []  # shown once the source is known to work
        plan = resolve(options, source, slots, notes.append)
        watcher.planned(plan)
        if crowded := oversubscription(plan, options.broker is None, usable_cpus(), free_memory()):
            watcher.note(crowded)
        inputs = _inputs(options, plan, source, processes, watcher, trial)
        for each in notes:
            watcher.note(each)
        stack.enter_context(allowing(inputs.origins))
        if options.broker is None and needs_fleet(options):
            fleet, startup_s = _started_fleet(stack, options, plan, processes, inputs, watcher)
        recorder = _recorder(options.command, plan, fleet, inputs)
        recorder.failures = {} if trial is None else trial.failures(plan)
        watcher.step("Preflight")
        before = preflight(fleet)
        process = None if trial is None else trial.process
        strategies = stack.enter_context(_strategies(recorder, fleet, startup_s, watcher, process))
        try_workers(fleet, strategies, inputs)
        watcher.step("Timing short tasks")
        here = fleet is not None and fleet.broker.embedded
        overheads = task_overheads(strategies, plan.slots, workers_are_here=here)
        before = replace(before, overheads=overheads)
        recorder.run = replace(recorder.run, preflight=before)
        if plan.axis == "work" and not points_of(options):
            plan = with_lengths(plan, before, options.points)
            strategies, inputs = _as_planned(recorder, plan, strategies), replace(inputs, plan=plan)
        recorder.run = replace(recorder.run, proof=example_output(plan.cells, strategies, inputs))
        check_rates(plan.cells, strategies, inputs, watcher)
        try:
            Rounds(recorder, strategies, inputs, fleet, watcher, limits_of(options, plan)).take(save)
        except BaseException:
            save(recorder.as_run(complete=False))
            raise
        run = recorder.as_run(complete=True)
        save(run)
        yield run


def _inputs(
    options: Options,
    plan: Plan,
    source: Source,
    processes: ChildProcesses,
    watcher: Watcher,
    trial: Trial | None,
) -> Inputs:
    if trial is None or plan.function is None:
        return prepared_inputs(plan, source, processes, options.broker, watcher.step)
    watcher.note(introduction(plan, plan.function))
    return trial.inputs(plan, watcher.step)


def check_rates(
    cells: Sequence[Cell], strategies: Mapping[Cell, Strategy], inputs: Inputs, watcher: Watcher
) -> None:
    """Refuse a rate that cannot be sent from here: measured first, with a burst to each strategy.

    Raises:
        UsageError: a rate is higher.
    """
    measured: dict[Strategy, float] = {}
    for cell in cells:
        if cell.rate_per_s is None:
            continue
        strategy = strategies[cell]
        if strategy not in measured:
            watcher.step(f"Measuring how fast tasks can be sent to {cell_name(cell)}")
            measured[strategy] = most_sent_per_s(strategy, inputs.tasks(cell))
        if cell.rate_per_s > measured[strategy]:
            raise UsageError(
                f"--rate {cell.rate_per_s:g} cannot be sent from here: a burst to {cell_name(cell)} went out at "
                f"{measured[strategy]:,.0f} tasks/s; choose a lower --rate"
            )


def _found_fleet(
    stack: ExitStack, broker: str, processes: ChildProcesses, watcher: Watcher
) -> tuple[Fleet, float]:
    watcher.step("Looking for workers")
    started = time.perf_counter()
    fleet = stack.enter_context(_external(broker, processes))
    stack.enter_context(_locked(fleet, processes))
    fleet.measure_clock_offsets()
    return fleet, time.perf_counter() - started


def _on_fleet(options: Options, fleet: Fleet) -> tuple[Options, int]:
    """Return the options with pools that the fleet has, and the slots of each: every pool compared has as many."""
    options = pools_of_fleet(options, fleet.slots_by_pool)
    return options, min(fleet.slots_by_pool[pool] for pool in fleet.slots_by_pool if pool in options.pools)


def _started_fleet(
    stack: ExitStack,
    options: Options,
    plan: Plan,
    processes: ChildProcesses,
    inputs: Inputs,
    watcher: Watcher,
) -> tuple[Fleet, float]:
    single, more = embedded_workers(plan)
    watcher.step(f"Starting a broker and {count(single + len(more), 'worker')}")
    started = time.perf_counter()
    events = options.flower or any(cell.events == "on" for cell in plan.cells)
    function = options.function or ""
    fleet = stack.enter_context(embedded_fleet(processes, single, events, inputs.origins, more, function))
    fleet.measure_clock_offsets()
    startup_s = time.perf_counter() - started
    if options.flower:
        watcher.step("Starting Flower")
        access = start_flower(processes, fleet.settings.broker_url, len(fleet.workers))
        watcher.note(f"Flower: {access.url} (user {access.user}, password {access.password})")
    return fleet, startup_s


@contextmanager
def tried(options: Options, watcher: Watcher) -> Iterator[str]:
    """Try a user's function, and say what would be measured, on the workers of a broker if one is given.

    Raises:
        UsageError: the function or its inputs cannot be used, or the budget is too small.
        UnavailableError: the broker or its workers cannot be used.
    """
    if options.broker is not None:
        inspect_broker(settings_for(options.broker), embedded=False)
    with ExitStack() as stack:
        processes = stack.enter_context(ChildProcesses())
        slots = None
        if options.broker is not None and needs_fleet(options):
            fleet, _ = _found_fleet(stack, options.broker, processes, watcher)
            options, slots = _on_fleet(options, fleet)
        trial = stack.enter_context(function_trial(options, processes, watcher.step, watcher.note))
        layout = layout_of(replace(options, tried=trial.tried), slots)
        options = fitted(options, layout, trial.tried)
        yield introduction(resolve(options, parse(ORIGIN), slots, watcher.note), options.tried or trial.tried)


@contextmanager
def _external(broker: str, processes: ChildProcesses) -> Iterator[Fleet]:
    """The workers on a broker; the supervisor's cleanup there is called off once the fleet is closed."""
    fleet: Fleet | None = None
    try:
        with external_fleet(settings_for(broker)) as fleet:
            yield fleet
    finally:
        if fleet is None or fleet.is_cleaned_up:  # if it could not be closed, the supervisor cleans up
            processes.set_cleanup([], {})


@contextmanager
def _locked(fleet: Fleet, processes: ChildProcesses) -> Iterator[None]:
    """Keep other runs from the fleet's broker, and have it cleaned up even if this process is killed."""
    lock = RunLock(fleet.settings, fleet.run_id)
    lock.acquire()
    cleanup = [sys.executable, "-m", "orchestrator.fleet.cleanup", fleet.run_id]
    processes.set_cleanup(cleanup, {"BREAKEVEN_BROKER_URL": fleet.settings.broker_url})
    fleet.recovery.checks.append(lock.check)
    try:
        yield
    finally:
        fleet.recovery.checks.remove(lock.check)
        with suppress(redis.RedisError, OSError):
            lock.release()


def _recorder(command: str, plan: Plan, fleet: Fleet | None, inputs: Inputs) -> Recorder:
    """An empty record of a run that starts now."""
    idle = next((cell.stage for cell in plan.cells if not inputs.tasks(cell)), None)
    if idle is not None:
        raise UnavailableError(
            f"{idle} has nothing to do: not one picture of {redact_url(plan.source)} could be decoded; "
            "check --source, or choose other stages with --stage"
        )
    here = environment(
        fleet.broker if fleet else None,
        tuple(member.as_worker() for member in fleet.workers) if fleet else (),
        fleet.payload_store if fleet else None,
    )
    return Recorder(
        Run(
            id=secrets.token_hex(4),
            command=command,
            started_at=now(),
            finished_at=None,
            complete=False,
            environment=here,
            plan=replace(plan, source=redact_url(plan.source)),
        )
    )


def _as_planned(
    recorder: Recorder, plan: Plan, strategies: Mapping[Cell, Strategy]
) -> Mapping[Cell, Strategy]:
    """Take a plan with the same strategies and other work; return the strategy of each of its cells."""
    by_kind = {without_work(cell): (strategies[cell], recorder.startups[cell]) for cell in strategies}
    recorder.run = replace(recorder.run, plan=replace(plan, source=recorder.run.plan.source))
    recorder.startups = {cell: by_kind[without_work(cell)][1] for cell in plan.cells}
    return {cell: by_kind[without_work(cell)][0] for cell in plan.cells}


def without_work(cell: Cell) -> Cell:
    """Return what the cells that can share a strategy have in common."""
    plain = replace(cell, stage="", kernel="", replica=0, width=None, height=None, latency_ms=None)
    return replace(plain, work_s=None, tasks=None, rate_per_s=None)


@contextmanager
def _strategies(
    recorder: Recorder,
    fleet: Fleet | None,
    fleet_startup_s: float,
    watcher: Watcher,
    process: FunctionProcess | None,
) -> Iterator[Mapping[Cell, Strategy]]:
    """A strategy for every cell, entered and timed; cells that differ only in the work share one."""
    entered: dict[Cell, tuple[Strategy, float]] = {}
    by_cell: dict[Cell, Strategy] = {}
    with ExitStack() as stack:
        for cell in recorder.run.plan.cells:
            shared = without_work(cell)
            if shared not in entered:
                watcher.step(f"Starting {cell_name(cell)}")
                started = time.perf_counter()
                contained = None if cell.distributed else process
                made = make_strategy(cell, fleet) if contained is None else ContainedRow(cell, contained)
                strategy = stack.enter_context(made)
                entered[shared] = strategy, time.perf_counter() - started
            by_cell[cell], startup_s = entered[shared]
            recorder.startups[cell] = startup_s + (fleet_startup_s if cell.distributed else 0.0)
        yield by_cell
