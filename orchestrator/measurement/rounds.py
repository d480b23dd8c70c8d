"""Rounds: every cell once in a freshly shuffled order, again and again, until there are enough.

Many short rounds, and cells that are compared close together: what disturbs a shared machine mostly lasts a
tenth of a second to a few, so it meets both cells of a pair, or few of the pairs (docs/explanation/verdicts.md).
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Protocol

from orchestrator import signals
from orchestrator.analysis.verdicts.stopping import enough
from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.provisioning import Inputs
from orchestrator.measurement.clock import SamplePosition, all_kept, measure
from orchestrator.measurement.machine import LoadMeter
from orchestrator.measurement.recorder import Recorder
from orchestrator.model.environment import Load
from orchestrator.model.runs import Cell, Run, Sample, TaskFailure
from orchestrator.strategies.base import Strategy


class Watcher(Protocol):
    """Whoever wants to know how far the session is."""

    def step(self, what: str) -> None:
        """Something else begins."""

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """A sample of `cell` is about to be taken; `done` of `total` are."""


SAMPLE_S = 0.01
"""A sample lasts at least so long: a batch that is shorter is done several times in a row."""

MOST_BATCHES = 20

REPEATS = 2
"""So often a sample that was disturbed is taken again at once; then the round goes on without it."""


def batches_for(makespan_s: float) -> int:
    """How many batches of this makespan, seen in the warm-up, make a sample that is long enough."""
    return max(1, min(MOST_BATCHES, math.ceil(SAMPLE_S / max(makespan_s, 1e-9))))


def shuffled(cells: Sequence[Cell], order: random.Random) -> list[Cell]:
    """A round's order: cells that do the same work follow each other, and who comes first is drawn by lot.

    Each group (a stage at one size and latency) is shuffled, and so are the groups. Of two cells that are
    compared either is as likely to come first, which is all that the paired interval rests on.
    """
    groups: dict[object, list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.stage, cell.width, cell.height, cell.latency_ms), []).append(cell)
    shuffles = [order.sample(group, len(group)) for group in groups.values()]
    return list(chain.from_iterable(order.sample(shuffles, len(shuffles))))


class Rounds:
    """Takes the samples of one run into its record."""

    def __init__(
        self,
        record: Recorder,
        strategies: Mapping[Cell, Strategy],
        inputs: Inputs,
        fleet: Fleet | None,
        watcher: Watcher,
    ) -> None:
        """Everything that is needed is up: strategies entered, inputs made, the fleet found."""
        self._record = record
        self._plan = record.run.plan
        self._strategies = strategies
        self._inputs = inputs
        self._fleet = fleet
        self._watcher = watcher
        self._order = random.Random(self._plan.seed)  # noqa: S311 - an order to be had again, not a secret
        self._done = 0
        self._batches: dict[Cell, int] = {}

    def take(self, save: Callable[[Run], None]) -> None:
        """Warm up, then measure round after round; what there is after each is given to `save`."""
        with all_kept():
            self._take(save)

    def _take(self, save: Callable[[Run], None]) -> None:
        for number in range(-self._plan.warmup, 0):
            self._round(number, began=time.perf_counter(), counts=False)
        meter = LoadMeter(lambda: [os.getpid()])
        began = time.perf_counter()
        for number in range(self._plan.rounds):
            self._round(number, began, counts=True)
            self._record.loads.append(self._load(meter, number))
            run = self._record.as_run(complete=False)
            save(run)
            if self._enough(run, time.perf_counter() - began):
                return

    def _round(self, number: int, began: float, counts: bool) -> None:
        if self._fleet is not None:
            self._fleet.measure_clock_offsets()
        cells = shuffled(self._plan.cells, self._order)
        for position, cell in enumerate(cells):
            self._watcher.sample(self._done, (self._plan.warmup + self._plan.rounds) * len(cells), cell)
            for _ in range(1 + REPEATS):
                signals.check()
                place = SamplePosition(number, position, time.perf_counter() - began)
                sample = self._sample(cell, place) if counts else self._warm_up(cell, place)
                if sample.disturbed is None:
                    break
            self._done += 1

    def _sample(self, cell: Cell, place: SamplePosition) -> Sample:
        """Take a sample into the record."""
        sample, failures = self._measure(cell, place, self._batches.get(cell.original, 1))
        self._record.add(cell, sample, failures)
        return sample

    def _warm_up(self, cell: Cell, place: SamplePosition) -> Sample:
        """See how many batches a sample takes: the first is cold, and one that is short says too few."""
        sample = self._warm(cell, place, 1)
        if sample.disturbed is None and (needed := batches_for(sample.makespan_s)) > 1:
            sample = self._warm(cell, place, needed)
        if sample.disturbed is None:
            self._batches[cell] = batches_for(sample.makespan_s)
        return sample

    def _warm(self, cell: Cell, place: SamplePosition, batches: int) -> Sample:
        sample, failures = self._measure(cell, place, batches)
        if sample.disturbed is not None:
            self._record.add(cell, sample, failures)  # a task that is lost in a warm-up is lost, too
        return sample

    def _measure(
        self, cell: Cell, place: SamplePosition, batches: int
    ) -> tuple[Sample, tuple[TaskFailure, ...]]:
        tasks, expected = self._inputs.tasks(cell), self._inputs.expected(cell)
        return measure(self._strategies[cell], tasks, expected, place, batches=batches)

    def _load(self, meter: LoadMeter, number: int) -> Load:
        """The round's load. Workers that somebody else runs may be on this machine: then it cannot be told apart."""
        load = meter.load(number)
        external = self._fleet is not None and not self._fleet.broker.embedded
        return replace(load, other=None) if external else load

    def _enough(self, run: Run, elapsed_s: float) -> bool:
        """Whether `--rounds auto` may stop: narrow enough, or out of time."""
        if self._plan.target is None:
            return False
        return enough(run, self._plan.target) or elapsed_s > (self._plan.budget_s or float("inf"))
