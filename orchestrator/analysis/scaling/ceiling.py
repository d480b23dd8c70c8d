"""The most tasks a second that any number of slots can give Celery, and whether a measurement tried to beat it.

Larger chunks share what a message costs. So from two chunks follows what a task costs besides, and with it a ceiling
for every chunk; from one chunk follows a ceiling for that chunk alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Final

from orchestrator.analysis.queueing.service_demands import CellDemands, Demands
from orchestrator.analysis.queueing.stations import StationName, bottleneck
from orchestrator.analysis.stats.bootstrap import bootstrapped, resamples
from orchestrator.analysis.stats.dependence import inflation
from orchestrator.analysis.stats.intervals import throughput
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run

MARGIN: Final = 0.10  # the model's error beyond noise; benchmarks/statistics/ceilings.py
LARGER_CHUNK: Final = (
    4  # times the smallest chunk, from which a measurement counts as an attempt to beat the ceiling
)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most tasks a second of Celery cells that differ in slots and chunk only."""

    cell: Cell  # with the most slots and the largest chunk that were measured
    per_s: Estimate
    limited_by: StationName
    publishing_share: float  # of the orchestrator's time; the rest is collecting
    any_chunk: bool  # else for the chunk of `cell`
    tried: bool  # whether more slots and larger chunks were measured, and gave no more


def ceilings(run: Run, demands: Demands) -> tuple[Ceiling, ...]:
    """Return the ceiling of each kind of Celery cell that has one.

    There is none beside other load, if a measurement beats it, or if nothing that was measured limits unlimited slots.
    """
    kinds: dict[Cell, list[CellResult]] = {}
    for result in eligible(
        each for each in run.cells if each.cell.distributed and each.cell.style == "tuned"
    ):
        kind = replace(result.cell, slots=1, chunk=None, replica=0)
        kinds.setdefault(kind, []).append(result)
    found = (_ceiling(results, demands) for results in kinds.values())
    return tuple(each for each in found if each is not None)


def _ceiling(results: Sequence[CellResult], demands: Demands) -> Ceiling | None:
    by_chunk: dict[int, CellDemands] = {}
    for cell in sorted((each.cell for each in results), key=lambda cell: cell.chunk or 1):
        if (measured := demands(cell)) is not None:
            by_chunk[measured.chunk] = measured
    if not by_chunk or any(each.other_load is not None for each in by_chunk.values()):
        return None
    small, large = by_chunk[min(by_chunk)], by_chunk[max(by_chunk)]
    rounds = sorted(set(small.rounds) & set(large.rounds))
    computing_s = [
        sample.hops.compute_cpu_s for each in results for sample in each.samples if sample.hops is not None
    ]
    if not rounds or not computing_s:
        return None
    least_cpu_s = median(computing_s)

    def least_per_s(drawn: Sequence[int]) -> float:
        return min(_limits(small, large, drawn, least_cpu_s).values(), default=inf)

    typical = _limits(small, large, rounds, least_cpu_s)
    if not typical:
        return None
    name = min(typical, key=lambda station: typical[station])
    wider = inflation([least_per_s([round_]) for round_ in rounds])
    spread = bootstrapped(
        typical[name], [least_per_s(drawn) for drawn in resamples(rounds)], len(rounds), wider=wider
    )
    if spread.high == inf:
        return None
    if spread.low is not None and spread.high is not None:
        spread = replace(spread, low=spread.low / (1 + MARGIN), high=spread.high * (1 + MARGIN))
    rates = [rate for each in results if (rate := throughput(each)) is not None]
    if any((rate.low or rate.point) > (spread.high or spread.point) for rate in rates):
        return None
    most = max((each.cell for each in results), key=lambda cell: (cell.chunk or 1, cell.slots))
    network = large.network(max(each.cell.slots for each in results))
    tried = bottleneck(network).name != "slots" and large.chunk >= LARGER_CHUNK * small.chunk
    return Ceiling(
        replace(most, slots=network.slots),
        spread,
        name,
        network.publishing_share,
        any_chunk=large.chunk > small.chunk,
        tried=tried,
    )


def _limits(
    small: CellDemands, large: CellDemands, rounds: Sequence[int], least_cpu_s: float
) -> dict[StationName, float]:
    """Return the most tasks a second of each station other than the slots, with these rounds' demands."""
    one, other = small.resampled(rounds), large.resampled(rounds)

    def task_s(figure: str) -> float:
        """What a task costs a station however many share a message."""
        few_s, many_s = getattr(one, figure), getattr(other, figure)
        if small.chunk == large.chunk:
            return float(many_s)
        slope_s = (large.chunk * many_s - small.chunk * few_s) / (large.chunk - small.chunk)
        return float(min(max(slope_s, 0.0), many_s))

    demands_s: dict[StationName, float] = {
        "orchestrator": task_s("publish_s") + task_s("collect_s"),
        "broker": task_s("broker_s"),
        "payload": task_s("payload_s"),
    }
    if large.cores is not None:
        demands_s["cpu"] = max(least_cpu_s, task_s("cpu_s") + task_s("others_cpu_s")) / large.cores
    return {name: 1 / seconds for name, seconds in demands_s.items() if seconds > 0}
