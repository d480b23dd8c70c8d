"""What a Celery task asks of each station, from what a run measured of it.

Source of the way to look at it: Denning & Buzen, "The Operational Analysis of Queueing Network Models", ACM
Computing Surveys 10, 1978: demands are busy time over completions, so they need no model to be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from orchestrator.analysis.queueing.calibration import calibrate
from orchestrator.analysis.queueing.sample_demands import (
    SATURATED,
    TaskDemands,
    cores_of,
    median_demands,
    overhead_unseen_s,
    sample_demands,
)
from orchestrator.analysis.queueing.stations import QueueingNetwork
from orchestrator.analysis.stats.intervals import estimate
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run, Sample

CONTENDED: Final = 0.7
"""From this share of the cores' time on, tasks take longer for want of a core."""


@dataclass(frozen=True, slots=True)
class CellDemands:
    """A cell's demands in each round, and what they were measured on.

    `slots` are the numbers of slots that they come from. `cores` is how many serve the slots together,
    `None` where more slots bring more cores; with `shared` the orchestrator and the broker use them, too.
    `overhead_known` tells whether the slots were seen to be busy: if not, a message's overhead is taken from
    the preflight's empty task, or is at most what is stated.
    """

    cell: Cell
    tasks: int
    chunk: int
    slots: tuple[int, ...]
    by_round: Mapping[int, TaskDemands]
    cores: float | None
    shared: bool
    overhead_known: bool
    broker_known: bool

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds that have demands, in order."""
        return tuple(sorted(self.by_round))

    @property
    def typical(self) -> TaskDemands:
        """Each demand's median over the rounds."""
        return median_demands(list(self.by_round.values()))

    def drawn(self, rounds: Sequence[int]) -> TaskDemands:
        """Each demand's median over the given rounds, one of them as often as it is named."""
        return median_demands([self.by_round[round_] for round_ in rounds])

    def system(self, slots: int, of: TaskDemands | None = None) -> QueueingNetwork:
        """The stations as a message meets them on this many slots."""
        found = (of or self.typical).system(self.chunk, slots, self.cores, self.shared)
        return replace(found, resident=self.cell.data == "resident")

    def estimate(self, figure: Callable[[TaskDemands], float]) -> Estimate:
        """A figure of the demands over the rounds, with its interval where all are positive."""
        values = [figure(each) for each in self.by_round.values()]
        found = estimate(values) if min(values) > 0 else None
        return Estimate(median(values)) if found is None else found


def service_demands(results: Sequence[CellResult], run: Run) -> CellDemands | None:
    """What a task asks of each station; `None` where no sample tells.

    Args:
        results: one Celery cell, or several that differ in slots alone. Of several, those stand for a task's
            own times that left the cores some time; if none did, the one with the fewest slots.
        run: where they were measured.
    """
    able = sorted(
        (each for each in eligible(results) if any(map(_told, each.samples))),
        key=lambda each: each.cell.slots,
    )
    if not able:
        return None
    cores, shared = cores_of(run)
    of_cells = {each.cell: _of_rounds(each, run) for each in able}
    free = [each for each in able if not _contended(each, of_cells[each.cell], cores)] or able[:1]
    tasks = able[0].samples[0].tasks
    machine = _Machine(min(able[0].cell.chunk or 1, tasks), cores if shared else None, shared)
    calibrated = {each.cell: _with_less_overhead(each, of_cells[each.cell], machine) for each in free}
    by_round = _pooled(free, calibrated)
    if machine.cores is not None:
        limits = _most_cpu(able, machine.cores)
        by_round = {r: _with_cpu(found, machine.chunk, limits[r]) for r, found in by_round.items()}
        crowded = [each for each in able if each not in free]
        by_round = _with_crowded_cpu(by_round, crowded[-1], machine, limits) if crowded else by_round
    stations = [sample.stations for each in able for sample in each.samples if sample.stations is not None]
    return CellDemands(
        cell=able[0].cell,
        tasks=tasks,
        chunk=machine.chunk,
        slots=tuple(each.cell.slots for each in able),
        by_round=by_round,
        cores=machine.cores,
        shared=shared,
        overhead_known=any(_slots_busy(each) for each in free),
        broker_known=all(each.broker_cpu_s is not None for each in stations),
    )


def _told(sample: Sample) -> bool:
    """Whether a sample tells its stations' times: a batch of which no message was answered asked nothing of them."""
    return sample.stations is not None and sample.stations.messages > 0


@dataclass(frozen=True, slots=True)
class _Machine:
    """What a cell's stations are made of beside its demands."""

    chunk: int
    cores: float | None
    shared: bool

    def system(self, found: TaskDemands, cell: Cell) -> QueueingNetwork:
        """The stations as a message of the cell meets them."""
        system = found.system(self.chunk, cell.slots, self.cores, self.shared)
        return replace(system, resident=cell.data == "resident")


def _of_rounds(result: CellResult, run: Run) -> dict[int, TaskDemands]:
    """A cell's demands by round; where its slots waited for others, its waits are not taken as overhead."""
    found = {
        sample.round: sample_demands(sample, sample.stations, result.cell, run)
        for sample in result.samples
        if sample.stations is not None and _told(sample)
    }
    if not found or _slots_busy(result):
        return found
    chunk = result.cell.chunk or 1
    return {r: replace(each, overhead_s=overhead_unseen_s(each, run, chunk)) for r, each in found.items()}


def _with_less_overhead(
    result: CellResult, of_rounds: Mapping[int, TaskDemands], machine: _Machine
) -> Mapping[int, TaskDemands]:
    """The rounds with less overhead, by what the simulation of the typical round has of waits of its own."""
    if not of_rounds or not _slots_busy(result):
        return of_rounds
    plain = median_demands(list(of_rounds.values()))

    def system_of(overhead_s: float) -> QueueingNetwork:
        found = replace(plain, overhead_s=overhead_s)
        if machine.cores is not None:
            most_s = median(_most_cpu([result], machine.cores).values())
            found = _with_cpu(found, machine.chunk, most_s)
        return machine.system(found, result.cell)

    tasks, makespan_s = result.samples[0].tasks, median(result.makespans_s.values())
    found_s = calibrate(system_of, tasks, makespan_s, 0.0, plain.overhead_s)
    less_s = 0.0 if found_s is None else plain.overhead_s - found_s
    return {
        round_: replace(each, overhead_s=max(0.0, each.overhead_s - less_s))
        for round_, each in of_rounds.items()
    }


def _with_crowded_cpu(
    by_round: Mapping[int, TaskDemands], crowded: CellResult, machine: _Machine, limits: Mapping[int, float]
) -> dict[int, TaskDemands]:
    """The rounds with as much more CPU time as the most crowded cell shows that its tasks asked for.

    What no clock of ours counts is in it: the broker's part, the system's, and what tasks that run beside
    each other take longer for.
    """
    plain = median_demands(list(by_round.values()))
    most_s = max(plain.cpu_s, median(limits.values()))
    tasks, makespan_s = crowded.samples[0].tasks, median(crowded.makespans_s.values())
    found_s = calibrate(
        lambda cpu_s: machine.system(replace(plain, cpu_s=cpu_s), crowded.cell),
        tasks,
        makespan_s,
        plain.cpu_s,
        most_s,
    )
    more_s = 0.0 if found_s is None else found_s - plain.cpu_s
    return {round_: replace(each, cpu_s=each.cpu_s + more_s) for round_, each in by_round.items()}


def _pooled(
    results: Sequence[CellResult], of_cells: Mapping[Cell, Mapping[int, TaskDemands]]
) -> dict[int, TaskDemands]:
    """Round to the median over cells, the overhead from those whose slots were busy."""
    busy = [each.cell for each in results if _slots_busy(each)]
    pooled = {}
    for round_ in sorted({round_ for each in results for round_ in of_cells[each.cell]}):
        here = {e.cell: of_cells[e.cell][round_] for e in results if round_ in of_cells[e.cell]}
        plain = median_demands(list(here.values()))
        seen = [found.overhead_s for cell, found in here.items() if cell in busy]
        pooled[round_] = replace(plain, overhead_s=median(seen)) if seen else plain
    return pooled


def _with_cpu(found: TaskDemands, chunk: int, most_cpu_s: float) -> TaskDemands:
    """With the overhead taken as CPU time, and no more CPU time in all than the cores can have given."""
    return replace(found, cpu_s=min(found.cpu_s + found.overhead_s / chunk, most_cpu_s))


def _most_cpu(results: Sequence[CellResult], cores: float) -> dict[int, float]:
    """Round to the CPU seconds that a task's worker can have had at most: no core is busier than always.

    The utilisation law, U = X D <= m, for every batch of the round.
    """
    limits: dict[int, float] = {}
    for result in results:
        for sample in result.samples:
            if sample.stations is not None:
                others_s = sample.stations.publish_s + sample.stations.collect_s
                limit = max(0.0, (cores * sample.makespan_s - others_s) / sample.tasks)
                limits[sample.round] = min(limit, limits.get(sample.round, limit))
    return limits


def _contended(result: CellResult, of_rounds: Mapping[int, TaskDemands], cores: float | None) -> bool:
    """Whether a cell's tasks, by their CPU time, kept the cores busy enough to wait for one."""
    if cores is None or not of_rounds:
        return False
    shares = [
        (
            of_rounds[s.round].cpu_s * s.tasks
            + of_rounds[s.round].overhead_s * s.stations.messages
            + s.stations.publish_s
            + s.stations.collect_s
        )
        / (cores * s.makespan_s)
        for s in result.samples
        if s.stations is not None and s.round in of_rounds
    ]
    return median(shares) > CONTENDED


def _slots_busy(result: CellResult) -> bool:
    """Whether neither the orchestrator nor the broker was busy enough for the slots to have waited for it."""
    shares = [
        max(s.stations.publish_s + s.stations.collect_s, s.stations.broker_cpu_s or 0.0) / s.makespan_s
        for s in result.samples
        if s.stations is not None
    ]
    return median(shares) < SATURATED
