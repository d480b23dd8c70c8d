"""Rounds: every cell once in a freshly shuffled order, repeated until there are enough samples.

Rounds are short, so that what disturbs the machine for a while hits both cells of a pair, or few of the pairs. See
docs/explanation/verdicts.md."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from statistics import median
from typing import Final, Protocol

from orchestrator import signals
from orchestrator.analysis.load import FEWEST_TASKS, MAX_TASKS, QUANTILES, load_row, most_per_s
from orchestrator.analysis.scaling.granularity import nearest
from orchestrator.analysis.stats.intervals import VERDICT_ROUNDS
from orchestrator.analysis.verdicts.stopping import enough
from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.provisioning import Inputs
from orchestrator.measurement.clock import SamplePosition, all_kept, measure
from orchestrator.measurement.function_process import ContainedRow
from orchestrator.measurement.machine import LoadMeter, time_reference_loop
from orchestrator.measurement.open_loop import OpenLoop, arrival_times_s, sending_rate_per_s
from orchestrator.measurement.rate_search import RateSearch
from orchestrator.measurement.recorder import Recorder
from orchestrator.model.environment import Load
from orchestrator.model.runs import Cell, Plan, Run, Sample
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.load import open_loop_progress, search_cut_short
from orchestrator.phrases.numbers import per_second
from orchestrator.phrases.schedule import schedule_sentence
from orchestrator.planning.schedule import Limits, schedule
from orchestrator.strategies.base import Strategy
from worker.contract import Task

REPEATS: Final = 2  # times a disturbed sample is taken again at once, before the round goes on without it


class Watcher(Protocol):
    """Follows the progress of a session."""

    def planned(self, plan: Plan) -> None:
        """Take note of what will be measured."""

    def step(self, what: str) -> None:
        """Show what the session does now."""

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """Show that a sample of `cell` begins, after `done` of `total`."""

    def note(self, message: str) -> None:
        """Show a message that stays."""


def shuffled(cells: Sequence[Cell], order: random.Random) -> list[Cell]:
    """Return a round's order: cells with the same work stay together, cells and groups in random order.

    So either of two cells is as likely to come first, which is what the paired interval assumes.
    """
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.stage, cell.work), []).append(cell)
    shuffles = [order.sample(group, len(group)) for group in groups.values()]
    return list(chain.from_iterable(order.sample(shuffles, len(shuffles))))


def most_sent_per_s(strategy: Strategy, tasks: Sequence[Task]) -> float:
    """Return how many tasks a second the generator can send to a strategy at most."""
    if isinstance(strategy, ContainedRow):
        return strategy.sending_rate()
    return sending_rate_per_s(strategy, tasks)


class Rounds:
    """Takes the samples of one run; everything that they need is up and ready."""

    def __init__(
        self,
        recorder: Recorder,
        strategies: Mapping[Cell, Strategy],
        inputs: Inputs,
        fleet: Fleet | None,
        watcher: Watcher,
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._recorder = recorder
        self._limits = limits
        self._plan = recorder.run.plan
        self._strategies = strategies
        self._inputs = inputs
        self._fleet = fleet
        self._watcher = watcher
        self._order = random.Random(self._plan.seed)  # noqa: S311 - a reproducible order, not a secret
        # Fewer rounds than a verdict needs are settled beforehand, but without a warm-up nothing shows how many fit.
        self._ends_at_budget = limits.strict and not self._plan.warmup and self._plan.function is None
        self._done = self._total = 0  # samples
        self._arrived = 0  # tasks, of all samples at an arrival rate
        self._throttled_s: float | None = None
        self._reference_s: list[float] = []  # the fixed loop before each sample of the round

    def take(self, save: Callable[[Run], None]) -> None:
        """Warm up, then measure round after round, and pass the run so far to `save`.

        A sweep of the work goes on with the task lengths nearest to the one that it looks for.
        """
        cells = self._plan.cells
        self._total = self._plan.warmup * len(cells)
        with all_kept():
            if self._plan.searched:
                self._search_rates(save)
                return
            started = round_began = time.perf_counter()
            for number in range(-self._plan.warmup, 0):
                round_began = time.perf_counter()
                self._round(number, cells, round_began, counts=False)
            if self._plan.warmup and self._plan.function is None:
                self._settle(time.perf_counter() - round_began, time.perf_counter() - started)
            self._done, self._total = 0, self._plan.rounds * len(cells)
            self._throttled_s = self._fleet.throttled_s() if self._fleet else None
            meter = LoadMeter(lambda: [os.getpid()])
            began = time.perf_counter()
            number = 0
            for number in range(self._plan.rounds):
                self._round(number, cells, began, counts=True)
                self._recorder.loads.append(self._load(meter, number))
                run = self._recorder.as_run(complete=False)
                save(run)
                if self._enough(run, time.perf_counter() - started):
                    self._change(rounds=len(run.loads))
                    break
            cells = nearest(run) if self._plan.extra_rounds else ()
            self._done, self._total = 0, self._plan.extra_rounds * len(cells)
            for extra in range(self._plan.extra_rounds if cells else 0):
                if self._is_over_budget(time.perf_counter() - started):
                    break
                self._round(number + 1 + extra, cells, began, counts=True)
                self._recorder.loads.append(self._load(meter, number + 1 + extra))
                save(self._recorder.as_run(complete=False))

    def _settle(self, round_s: float, spent_s: float) -> None:
        """Settle how many rounds and images there are, and say what will be measured in what time."""
        found, about_s, verdict_s = schedule(self._plan, self._limits, round_s, spent_s)
        self._watcher.note(schedule_sentence(self._plan, found, about_s, verdict_s))
        if found.images < self._plan.images:
            self._inputs = replace(self._inputs, plan=found)
        self._change(rounds=found.rounds, images=found.images)

    def _change(self, **fields: int) -> None:
        self._plan = replace(self._plan, **fields)  # type: ignore[arg-type]
        self._recorder.run = replace(self._recorder.run, plan=self._plan)

    def _round(self, number: int, cells: Sequence[Cell], began: float, counts: bool) -> None:
        if self._fleet is not None:
            self._fleet.check_memory()
            self._fleet.measure_clock_offsets()
        self._reference_s = []
        for position, cell in enumerate(shuffled(cells, self._order)):
            self._watcher.sample(self._done, self._total, cell)
            self._reference_s.append(time_reference_loop())
            for _ in range(1 + (REPEATS if cell.rate_per_s is None else 0)):
                signals.check()
                at = SamplePosition(number, position, time.perf_counter() - began)
                if self._sample(cell, at, counts).disturbed is None:
                    break
            self._done += 1

    def _sample(self, cell: Cell, at: SamplePosition, counts: bool) -> Sample:
        """Take a sample: one batch, whatever its length, because only as many batches are as warm."""
        tasks, expected = self._inputs.tasks(cell), self._inputs.expected(cell)
        if cell.rate_per_s is not None:
            return self._open_loop(cell, cell.rate_per_s, at)
        strategy = self._strategies[cell]
        if isinstance(strategy, ContainedRow):
            sample, failures = strategy.take(at)
        else:
            sample, failures = measure(strategy, tasks, expected, at, matches=self._inputs.matches)
        if counts or sample.disturbed is not None:  # a task lost in a warm-up counts as lost, too
            self._recorder.add(cell, sample, tuple(map(self._inputs.named, failures)))
        return sample

    def _search_rates(self, save: Callable[[Run], None]) -> None:
        """Find the largest sustained rate of every cell; the plan's cells become those at the rates that were tried."""
        searches = {cell: self._rate_search(cell) for cell in self._plan.cells}
        self._recorder.run = replace(self._recorder.run, plan=replace(self._plan, cells=()))
        began = time.perf_counter()
        meter = LoadMeter(lambda: [os.getpid()])
        for number in count():
            rates = {cell: each.next_rate() for cell, each in searches.items()}
            active = [cell for cell, rate in rates.items() if rate is not None]
            if not active:
                return
            if self._arrived >= MAX_TASKS:
                self._watcher.note(search_cut_short(MAX_TASKS))
                return
            self._reference_s = [time_reference_loop()]
            for cell in shuffled(active, self._order):
                if self._arrived >= MAX_TASKS:
                    break
                probed = replace(cell, rate_per_s=rates[cell])
                searches[cell].found(probed.rate_per_s or 0.0, self._holds(cell, probed, began))
                save(self._recorder.as_run(complete=False))
            self._recorder.loads.append(self._load(meter, number))

    def _rate_search(self, cell: Cell) -> RateSearch:
        """Start a search at the throughput of a batch, within what can be sent and kept."""
        self._watcher.step(f"Estimating the capacity of {cell_name(cell)}")
        sample = self._sample(cell, SamplePosition(-1, 0, 0.0), counts=False)
        duration_s, promised = self._plan.duration_s or 1.0, self._plan.objective
        fewest = FEWEST_TASKS if promised is None else QUANTILES[promised.quantile]
        return RateSearch(
            start=sample.tasks / sample.makespan_s,
            lowest=fewest / duration_s / self._plan.rounds,
            highest=min(
                most_sent_per_s(self._strategies[cell], self._inputs.tasks(cell)),
                most_per_s(duration_s),
            ),
        )

    def _holds(self, cell: Cell, probed: Cell, began: float) -> bool | None:
        """Take samples at a rate until it can be told whether it is sustained and keeps the promise.

        There are at most as many as the plan has rounds, or as a result keeps; `None` if that is too few.
        """
        plan = self._recorder.run.plan
        self._recorder.run = replace(self._recorder.run, plan=replace(plan, cells=(*plan.cells, probed)))
        self._strategies = {**self._strategies, probed: self._strategies[cell]}
        for number in range(plan.rounds):
            signals.check()
            self._watcher.step(f"Trying {cell_name(cell)} at {per_second(probed.rate_per_s or 0)}")
            at = SamplePosition(number, self._done, time.perf_counter() - began)
            self._open_loop(probed, probed.rate_per_s or 0.0, at)
            self._done += 1
            row = load_row(self._recorder.result(probed), plan.objective)
            if row is not None and (holds := row.holds(plan.objective)) is not None:
                return holds
            if self._arrived >= MAX_TASKS:
                break
        return None

    def _open_loop(self, cell: Cell, rate_per_s: float, at: SamplePosition) -> Sample:
        """Take a sample at an arrival rate; a disturbed one is not taken again, because its latencies stand."""
        plan = self._plan
        assert plan.arrivals is not None and plan.duration_s is not None  # noqa: S101, PT018 - it has a rate

        def show(elapsed_s: float, latency_s: float, backlog: int) -> None:
            self._watcher.step(open_loop_progress(cell, elapsed_s, latency_s, backlog))

        strategy = self._strategies[cell]
        planned_s = arrival_times_s(plan.arrivals, rate_per_s, plan.duration_s, (plan.seed, at.round))
        self._arrived += len(planned_s)
        if isinstance(strategy, ContainedRow):
            sample, failures = strategy.take_open_loop(at, planned_s, plan.duration_s, show)
        else:
            tasks, expected = self._inputs.tasks(cell), self._inputs.expected(cell)
            matches = self._inputs.matches
            loop = OpenLoop(strategy, tasks, expected, planned_s, plan.duration_s, show, matches)
            sample, failures = loop.measure(at)
        self._recorder.add(cell, sample, tuple(map(self._inputs.named, failures)))
        if sample.interrupted:
            raise KeyboardInterrupt
        return sample

    def _load(self, meter: LoadMeter, number: int) -> Load:
        """The round's load. An external fleet may be on this machine, where its work looks like other load."""
        load = replace(meter.load(number), reference_s=median(self._reference_s))
        before, self._throttled_s = self._throttled_s, self._fleet.throttled_s() if self._fleet else None
        if before is not None and self._throttled_s is not None:
            load = replace(load, workers_throttled_s=max(0.0, self._throttled_s - before))
        external = self._fleet is not None and not self._fleet.broker.embedded
        return replace(load, other=None) if external else load

    def _is_over_budget(self, elapsed_s: float) -> bool:
        return elapsed_s > (self._plan.budget_s or float("inf"))

    def _enough(self, run: Run, elapsed_s: float) -> bool:
        over = self._is_over_budget(elapsed_s)
        if self._plan.target is None:
            return over and (self._ends_at_budget or len(run.loads) >= VERDICT_ROUNDS)
        least = 1 if self._limits.strict else VERDICT_ROUNDS
        return enough(run, self._plan.target) or (over and len(run.loads) >= least)
