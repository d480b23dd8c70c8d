"""What no number of slots can do: the bottleneck, where it moves, and the most that there can be.

Asymptotic bounds of operational analysis. They need no distribution and no order of service, so nothing
that keeps its demands beats them.
Sources: Denning & Buzen, "The Operational Analysis of Queueing Network Models", ACM Computing Surveys 10,
1978, sec. 6; Lazowska, Zahorjan, Graham & Sevcik, "Quantitative System Performance", 1984, ch. 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.analysis.queueing.service_demands import CellDemands
from orchestrator.analysis.queueing.stations import (
    QueueingNetwork,
    Station,
    StationName,
    bottleneck,
    ceiling_per_s,
    knee_slots,
    limiting_station,
    stations,
    stations_besides_slots,
    throughput_per_s,
)
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a Celery cell is bound by on a number of slots.

    `stations` are those that a task needs, each with its demand in seconds a task; `demands` are the same
    demands by station with their intervals over the rounds. `knee_slots` is the number of slots at which the
    next station takes over from the slots, `next_bottleneck` which one, and `ceiling_per_s` the tasks a
    second that slots can ever give. Of the orchestrator's time, `publishing_share` is publishing, and the rest
    collecting.
    """

    cell: Cell
    slots: int
    tasks: int
    stations: tuple[Station, ...]
    demands: dict[StationName, Estimate]
    bottleneck: StationName
    throughput_per_s: Estimate
    makespan_s: float
    next_bottleneck: StationName
    knee_slots: Estimate
    ceiling_per_s: Estimate
    publishing_share: float


def bounds(measured: CellDemands, slots: int) -> Bounds:
    """The bounds of a cell on `slots` slots, for the batch it was measured with."""
    system = measured.system(slots)

    def over_rounds(figure: Callable[[QueueingNetwork], float]) -> Estimate:
        return measured.estimate(lambda each: figure(measured.system(slots, each)))

    return Bounds(
        cell=measured.cell,
        slots=slots,
        tasks=measured.tasks,
        stations=stations(system),
        demands={station.name: over_rounds(_demand(station.name)) for station in stations(system)},
        bottleneck=bottleneck(system).name,
        throughput_per_s=over_rounds(throughput_per_s),
        makespan_s=least_makespan_s(system, measured.tasks),
        next_bottleneck=limiting_station(stations_besides_slots(system), system).name,
        knee_slots=over_rounds(knee_slots),
        ceiling_per_s=over_rounds(ceiling_per_s),
        publishing_share=system.publishing_share,
    )


def least_makespan_s(system: QueueingNetwork, tasks: int) -> float:
    """Least time in which `tasks` tasks can pass: T >= max(n D_i / m_i, R), R one message's way alone."""
    return max(tasks / throughput_per_s(system), system.latency_s)


def _demand(name: StationName) -> Callable[[QueueingNetwork], float]:
    def demand_s(system: QueueingNetwork) -> float:
        return next((each.demand_s for each in stations(system) if each.name == name), 0.0)

    return demand_s
