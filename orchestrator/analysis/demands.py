"""What a Celery task asks of each station, from what a run measured of it.

Source of the way to look at it: Denning & Buzen, "The Operational Analysis of Queueing Network Models", ACM
Computing Surveys 10, 1978: demands are busy time over completions, so they need no model to be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from orchestrator.analysis.estimates import estimate
from orchestrator.analysis.sample_demands import Demands, cores_of, of_sample, overhead_unseen_s, typical
from orchestrator.analysis.system import System
from orchestrator.model import Cell, CellResult, Estimate, Run

SATURATED: Final = 0.8
"""A station that was busy for this share of a batch may have been what the slots waited for."""

CONTENDED: Final = 0.7
"""From this share of the cores' time on, tasks take longer for want of a core."""


@dataclass(frozen=True, slots=True)
class MeasuredDemands:
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
    by_round: Mapping[int, Demands]
    cores: float | None
    shared: bool
    overhead_known: bool
    broker_known: bool

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds that have demands, in order."""
        return tuple(sorted(self.by_round))

    @property
    def typical(self) -> Demands:
        """Each demand's median over the rounds."""
        return typical(list(self.by_round.values()))

    def drawn(self, rounds: Sequence[int]) -> Demands:
        """Each demand's median over the given rounds, one of them as often as it is named."""
        return typical([self.by_round[round_] for round_ in rounds])

    def system(self, slots: int, of: Demands | None = None) -> System:
        """The stations as a message meets them on this many slots."""
        found = (of or self.typical).system(self.chunk, slots, self.cores, self.shared)
        return replace(found, resident=self.cell.data == "resident")

    def estimate(self, figure: Callable[[Demands], float]) -> Estimate:
        """A figure of the demands over the rounds, with its interval where all are positive."""
        values = [figure(each) for each in self.by_round.values()]
        found = estimate(values) if min(values) > 0 else None
        return Estimate(median(values)) if found is None else found


def demands(results: Sequence[CellResult], run: Run) -> MeasuredDemands | None:
    """What a task asks of each station; `None` where no sample tells.

    Args:
        results: one Celery cell, or several that differ in slots alone. Of several, those stand for a task's
            own times that left the cores some time; if none did, the one with the fewest slots.
        run: where they were measured.
    """
    able = sorted(
        (each for each in results if each.sound and any(sample.stations for sample in each.samples)),
        key=lambda each: each.cell.slots,
    )
    if not able:
        return None
    cores, shared = cores_of(run)
    of_cells = {each.cell: _of_rounds(each, run) for each in able}
    free = [each for each in able if not _contended(each, of_cells[each.cell], cores)] or able[:1]
    by_round = _pooled(free, of_cells, run)
    if shared and cores is not None:
        limits = _most_cpu(able, cores)
        by_round = {r: _with_cpu(found, able[0].cell.chunk or 1, limits[r]) for r, found in by_round.items()}
    tasks = able[0].samples[0].tasks
    stations = [sample.stations for each in able for sample in each.samples if sample.stations is not None]
    return MeasuredDemands(
        cell=able[0].cell,
        tasks=tasks,
        chunk=min(able[0].cell.chunk or 1, tasks),
        slots=tuple(each.cell.slots for each in able),
        by_round=by_round,
        cores=cores if shared else None,
        shared=shared,
        overhead_known=any(_slots_busy(each) for each in free),
        broker_known=all(each.broker_cpu_s is not None for each in stations),
    )


def _of_rounds(result: CellResult, run: Run) -> dict[int, Demands]:
    return {
        sample.round: of_sample(sample, sample.stations, result.cell, run)
        for sample in result.samples
        if sample.stations is not None
    }


def _pooled(
    results: Sequence[CellResult], of_cells: Mapping[Cell, Mapping[int, Demands]], run: Run
) -> dict[int, Demands]:
    """Round to the median over cells, the overhead from those whose slots were busy."""
    busy = [each.cell for each in results if _slots_busy(each)]
    pooled = {}
    for round_ in sorted({round_ for each in results for round_ in of_cells[each.cell]}):
        here = {e.cell: of_cells[e.cell][round_] for e in results if round_ in of_cells[e.cell]}
        plain = typical(list(here.values()))
        seen = [found.overhead_s for cell, found in here.items() if cell in busy]
        overhead_s = median(seen) if seen else overhead_unseen_s(plain, run, results[0].cell.chunk or 1)
        pooled[round_] = replace(plain, overhead_s=overhead_s)
    return pooled


def _with_cpu(found: Demands, chunk: int, most_cpu_s: float) -> Demands:
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


def _contended(result: CellResult, of_rounds: Mapping[int, Demands], cores: float | None) -> bool:
    """Whether a cell's tasks, by their own CPU time, kept the cores busy enough to wait for one."""
    if cores is None or not of_rounds:
        return False
    shares = [
        (of_rounds[s.round].cpu_s * s.tasks + s.stations.publish_s + s.stations.collect_s)
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
