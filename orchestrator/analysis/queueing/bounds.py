"""What no number of slots can exceed: the bottleneck, where it moves, and the highest throughput.

Asymptotic bounds of operational analysis, which hold for any distribution and any order of service.
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
    """What limits a Celery cell on a number of slots.

    Attributes:
        stations: those that a task needs, demands in seconds a task.
        throughput_per_s: the most on these slots; `ceiling_per_s`: the most on any number of slots.
        knee_slots: from how many slots on `next_bottleneck` limits the cell, no longer the slots.
        publishing_share: publishing as a share of the orchestrator's time; the rest is collecting.
    """

    cell: Cell
    slots: int
    stations: tuple[Station, ...]
    bottleneck: StationName
    throughput_per_s: Estimate
    next_bottleneck: StationName
    knee_slots: Estimate
    ceiling_per_s: Estimate
    publishing_share: float


def bounds(measured: CellDemands, slots: int) -> Bounds:
    """Compute the bounds of a cell on `slots` slots."""
    network = measured.network(slots)

    def over_rounds(figure: Callable[[QueueingNetwork], float]) -> Estimate:
        return measured.estimate(lambda demands: figure(measured.network(slots, demands)))

    return Bounds(
        cell=measured.cell,
        slots=slots,
        stations=stations(network),
        bottleneck=bottleneck(network).name,
        throughput_per_s=over_rounds(throughput_per_s),
        next_bottleneck=limiting_station(stations_besides_slots(network), network).name,
        knee_slots=over_rounds(knee_slots),
        ceiling_per_s=over_rounds(ceiling_per_s),
        publishing_share=network.publishing_share,
    )
