"""The stations that a Celery message passes, as a system of queues: what it asks of each, and how many serve.

    orchestrator (one thread: puts and publishes, takes in) -> broker -> slots -> broker -> orchestrator

The payload path and the CPU are stations that others wait in: their seconds are part of the orchestrator's
and of the slots' seconds. docs/explanation/scaling.md has the picture and every assumption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Final, Literal, TypeAlias

from orchestrator.model.flow_control import BURST_AFTER_PER_SLOT, BURST_MESSAGES, MAX_IN_FLIGHT_MESSAGES

StationName: TypeAlias = Literal["orchestrator", "broker", "payload", "slots", "cpu", "window"]

MOSTLY: Final = 0.5
"""From this share of the orchestrator's time on, waiting for the payload path is what holds it."""


@dataclass(frozen=True, slots=True)
class Station:
    """Where messages queue: seconds of its time that one task needs, and how many serve at once."""

    name: StationName
    demand_s: float
    servers: float

    @property
    def limit_per_s(self) -> float:
        """Tasks a second that it lets through at most; infinite where it is not needed."""
        return self.servers / self.demand_s if self.demand_s > 0 else inf


@dataclass(frozen=True, slots=True)
class QueueingNetwork:
    """What one message asks of each station, in seconds.

    `publish_s` and `collect_s` are the orchestrator's, waits for the payload path included; `flush_s` what a
    flush costs beyond them, however many messages it sends. `slot_s` is the time that a message keeps a slot
    from serving the next: fetch, compute and store of its tasks and the message's own overhead. `payload_s`
    is the time on each direction of the payload path. `cpu_s` is the worker's CPU time, of which `cores`
    serve; with `shared` the orchestrator's seconds are asked of the same cores. No `cores`, no such limit.
    `flight_s` is on the way of every message and keeps nobody busy. With `resident` data the slots alone use
    the payload path.
    """

    chunk: int
    slots: int
    publish_s: float
    collect_s: float
    slot_s: float
    broker_s: float = 0.0
    payload_s: float = 0.0
    cpu_s: float = 0.0
    cores: float | None = None
    shared: bool = False
    flush_s: float = 0.0
    flight_s: float = 0.0
    window: int = MAX_IN_FLIGHT_MESSAGES
    resident: bool = False

    @property
    def orchestrator_s(self) -> float:
        """The orchestrator's time for a message at least: flushes are shared by full bursts, where there are any.

        There are none where twice the slots are more than may be under way: a message a flush, then.
        """
        burst = BURST_MESSAGES if BURST_AFTER_PER_SLOT * self.slots < self.window else 1
        return self.publish_s + self.collect_s + self.flush_s / burst

    @property
    def publishing_share(self) -> float:
        """Of the orchestrator's time for a message, the share that is publishing; the rest is collecting."""
        return 1 - self.collect_s / self.orchestrator_s if self.orchestrator_s else 0.0

    @property
    def own_leg_s(self) -> float:
        """The orchestrator's time on the payload path for a message, each way: half of that way's load."""
        return 0.0 if self.resident else self.payload_s / 2

    @property
    def slot_leg_s(self) -> float:
        """A slot's time on the payload path for a message, each way: the rest of that way's load."""
        return self.payload_s - self.own_leg_s

    @property
    def all_cpu_s(self) -> float:
        """CPU seconds a message asks of the cores that the slots run on."""
        return self.cpu_s + (self.publish_s + self.collect_s if self.shared else 0.0)

    @property
    def latency_s(self) -> float:
        """A message's way through an empty system."""
        there = self.publish_s + self.flush_s + self.broker_s + self.flight_s
        return there + self.slot_s + self.collect_s

    def messages(self, tasks: int) -> int:
        """How many messages a batch takes."""
        return ceil(tasks / self.chunk)


def stations(system: QueueingNetwork) -> tuple[Station, ...]:
    """The stations that a task needs, slots first; one that it does not need, or is not known, is left out.

    The window is none but where it lies below the slots: then that many messages are under way and no more,
    so by Little's law its throughput is the window over a message's latency.
    """
    every = [
        Station("slots", system.slot_s, system.slots),
        Station("orchestrator", system.orchestrator_s, 1),
        Station("broker", system.broker_s, 1),
        Station("payload", system.payload_s, 1),
    ]
    if system.cores is not None:
        every.append(Station("cpu", system.all_cpu_s, system.cores))
    if system.window < system.slots:
        every.append(Station("window", system.latency_s, system.window))
    return tuple(
        Station(each.name, each.demand_s / system.chunk, each.servers) for each in every if each.demand_s > 0
    )


def limiting_station(among: Sequence[Station], system: QueueingNetwork) -> Station:
    """The station with the lowest limit; of equal ones the first.

    An orchestrator that mostly waits for the payload path is not what holds it: that path is.
    """
    lowest = min(among, key=lambda station: station.limit_per_s)
    if lowest.name == "orchestrator" and 2 * system.own_leg_s > MOSTLY * system.orchestrator_s:
        return next(station for station in among if station.name == "payload")
    return lowest


def bottleneck(system: QueueingNetwork) -> Station:
    """The station that holds a long batch back most."""
    return limiting_station(stations(system), system)


def throughput_per_s(system: QueueingNetwork) -> float:
    """Tasks a second that can pass at most: X <= min(m_i / D_i).

    Source: Denning & Buzen, "The Operational Analysis of Queueing Network Models", ACM Computing Surveys
    10, 1978, sec. 6; Lazowska et al., "Quantitative System Performance", 1984, ch. 5.
    """
    return min(station.limit_per_s for station in stations(system))


def stations_besides_slots(system: QueueingNetwork) -> tuple[Station, ...]:
    """The stations that are left when there are slots without end; the window is always one of them."""
    endless = replace(system, slots=max(system.slots, system.window + 1))
    return tuple(station for station in stations(endless) if station.name != "slots")


def ceiling_per_s(system: QueueingNetwork) -> float:
    """Tasks a second that slots can ever give."""
    return min(station.limit_per_s for station in stations_besides_slots(system))


def knee_slots(system: QueueingNetwork) -> float:
    """The number of slots at which they give as much as the next station lets through: N* = D_slot X_max.

    Below it the slots are the bottleneck, above it that station is.
    """
    return ceiling_per_s(system) * system.slot_s / system.chunk
