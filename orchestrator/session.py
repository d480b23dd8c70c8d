"""A session: everything a comparison needs is brought up, measured round by round, and put away."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.external import external_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.processes import Processes
from orchestrator.inputs.serving import Inputs, prepared_inputs
from orchestrator.inputs.workload import Workload
from orchestrator.machine import LoadMeter, environment
from orchestrator.measurement import Place, measure
from orchestrator.model import Cell, CellResult, Load, Plan, Run, Sample, TaskFailure
from orchestrator.options import Options
from orchestrator.planning import plan as make_plan
from orchestrator.preflight import preflight
from orchestrator.strategies import STRATEGIES
from orchestrator.strategies.strategy import Strategy
from worker.memory import keep_freed_memory
from worker.settings import Settings


class Watcher(Protocol):
    """Whoever wants to know how far the session is."""

    def step(self, what: str) -> None:
        """Something else begins."""

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """A sample of `cell` is about to be taken; `done` of `total` are."""


@dataclass
class Record:
    """What was measured so far; `as_run` freezes it."""

    run: Run
    startups: dict[Cell, float] = field(default_factory=dict)
    samples: dict[Cell, list[Sample]] = field(default_factory=dict)
    failures: dict[Cell, dict[int, TaskFailure]] = field(default_factory=dict)
    loads: list[Load] = field(default_factory=list)

    def add(self, cell: Cell, sample: Sample, failures: tuple[TaskFailure, ...]) -> None:
        """Keep a sample, and each task's first failure."""
        self.samples.setdefault(cell, []).append(sample)
        for failure in failures:
            self.failures.setdefault(cell, {}).setdefault(failure.task, failure)

    def as_run(self, complete: bool) -> Run:
        """All of it, frozen."""
        results = tuple(
            CellResult(
                cell,
                self.startups.get(cell),
                tuple(self.samples.get(cell, ())),
                tuple(self.failures.get(cell, {}).values()),
            )
            for cell in self.run.plan.cells
        )
        finished = _now() if complete else None
        return replace(
            self.run, cells=results, loads=tuple(self.loads), finished_at=finished, complete=complete
        )


def compare(options: Options, command: str, watcher: Watcher, save: Callable[[Run], None]) -> Run:
    """Measure the comparison that `options` ask for.

    Args:
        options: as the user gave them.
        command: the command's name, kept in the result.
        watcher: is told how far it is.
        save: is given what was measured, after every round and at the end, whatever the end is.

    Returns:
        The complete run.

    Raises:
        BreakevenError: what was asked makes no sense, or something needed is not there.
        KeyboardInterrupt: the user has had enough; what was measured was saved.
    """
    keep_freed_memory()
    plan = make_plan(options)
    with ExitStack() as stack:
        processes = stack.enter_context(Processes())
        inputs = stack.enter_context(prepared_inputs(plan, processes, watcher.step))
        fleet, fleet_startup_s = _fleet(stack, options, plan, processes, inputs, watcher)
        if options.broker is not None and fleet is not None:
            plan = make_plan(options, fleet.slots)
        record = _begin(plan, command, fleet, inputs.workload)
        if fleet is not None:
            watcher.step("Preflight")
        record.run = replace(record.run, preflight=preflight(fleet))
        strategies = stack.enter_context(_strategies(record, fleet, fleet_startup_s, watcher))
        try:
            _rounds(record, strategies, inputs.workload, fleet, watcher, save)
        except BaseException:
            save(record.as_run(complete=False))
            raise
    run = record.as_run(complete=True)
    save(run)
    return run


def _fleet(
    stack: ExitStack, options: Options, plan: Plan, processes: Processes, inputs: Inputs, watcher: Watcher
) -> tuple[Fleet | None, float | None]:
    """The fleet that the plan's cells need, and how long it took to be there."""
    if not any(STRATEGIES[cell.strategy].needs_fleet for cell in plan.cells):
        return None, None
    started = time.perf_counter()
    if options.broker is None:
        watcher.step(f"Starting a broker and {plan.slots} workers")
        fleet = stack.enter_context(embedded_fleet(processes, plan.slots, options.flower, inputs.origins))
    else:
        watcher.step("Looking for workers")
        fleet = stack.enter_context(external_fleet(Settings(broker_url=options.broker)))
    fleet.synchronise()
    return fleet, time.perf_counter() - started


def _begin(plan: Plan, command: str, fleet: Fleet | None, workload: Workload) -> Record:
    """An empty record of a run that starts now; cells whose stage got no input at all are left out."""
    cells = tuple(cell for cell in plan.cells if workload.tasks(cell.stage, cell.kernel))
    workers = tuple(member.as_worker() for member in fleet.members) if fleet else ()
    return Record(
        Run(
            id=secrets.token_hex(4),
            command=command,
            started_at=_now(),
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
    with ExitStack() as stack:
        by_cell: dict[Cell, Strategy] = {}
        for cell in record.run.plan.cells:
            place = replace(cell, stage="", kernel="", replica=0)
            if place not in ready:
                watcher.step(f"Starting {cell.label}")
                started = time.perf_counter()
                strategy = stack.enter_context(STRATEGIES[cell.strategy].make(cell, fleet))
                ready[place] = strategy, time.perf_counter() - started
            by_cell[cell], startup_s = ready[place]
            if STRATEGIES[cell.strategy].needs_fleet:
                startup_s += fleet_startup_s or 0.0
            record.startups[cell] = startup_s
        yield by_cell


def _rounds(
    record: Record,
    strategies: Mapping[Cell, Strategy],
    workload: Workload,
    fleet: Fleet | None,
    watcher: Watcher,
    save: Callable[[Run], None],
) -> None:
    """Warm-up rounds, then the rounds that count, each in a freshly shuffled order."""
    plan = record.run.plan
    order = random.Random(plan.seed)  # noqa: S311 - an order that can be had again, not a secret
    total = (plan.warmup + plan.rounds) * len(plan.cells)
    done = 0
    began = time.perf_counter()
    meter = LoadMeter(lambda: [os.getpid()])
    for number in range(-plan.warmup, plan.rounds):
        if number == 0:
            began = time.perf_counter()
            meter.load(number)
        if fleet is not None:
            fleet.synchronise()
        for position, cell in enumerate(order.sample(plan.cells, len(plan.cells))):
            watcher.sample(done, total, cell)
            tasks = workload.tasks(cell.stage, cell.kernel)
            place = Place(number, position, time.perf_counter() - began)
            sample, failures = measure(strategies[cell], tasks, workload.expected[cell.stage], place)
            done += 1
            if number >= 0:
                record.add(cell, sample, failures)
        if number >= 0:
            record.loads.append(meter.load(number))
            save(record.as_run(complete=False))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
