"""The stations that a Celery message passes, as a queueing network.

    orchestrator (one thread: publishes and collects) -> broker -> slots -> broker -> orchestrator

The payload path and the CPU are resources that the others wait for: their seconds are part of the orchestrator's
and of the slots' seconds. docs/explanation/scaling.md has the picture and every assumption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Final, Literal, TypeAlias

from orchestrator.model.flow_control import BURST_AFTER_PER_SLOT, BURST_MESSAGES, MAX_IN_FLIGHT_MESSAGES

StationName: TypeAlias = Literal["orchestrator", "broker", "payload", "slots", "cpu", "window"]

MOSTLY_WAITING: Final = 0.5  # share of its time from which the orchestrator mostly waits for the payload path


@dataclass(frozen=True, slots=True)
class Station:
    """A station where messages queue: its time for one task, and how many it serves at once."""

    name: StationName
    demand_s: float
    servers: float

    @property
    def limit_per_s(self) -> float:
        """The most tasks a second that it can serve."""
        return self.servers / self.demand_s if self.demand_s > 0 else inf


@dataclass(frozen=True, slots=True)
class QueueingNetwork:
    """What one message needs of each station, in seconds."""

    chunk: int
    slots: int
    publish_s: float  # the orchestrator's time, including its waits for the payload path
    collect_s: float
    slot_s: float  # from one message of a slot to the next: fetch, compute, store, the message's own overhead
    broker_s: float = 0.0
    payload_s: float = 0.0  # on each direction of the payload path
    cpu_s: float = 0.0  # the worker's CPU time
    cores: float | None = None  # that serve `cpu_s`; `None` is no limit
    shared: bool = False  # whether the orchestrator and the broker compute on the same cores
    others_cpu_s: float | None = None  # their CPU time; `None` is all of the orchestrator's seconds
    flush_s: float = 0.0  # what a flush costs on top, however many messages it sends
    flight_s: float = 0.0  # network delay, which keeps nothing busy
    window: int = MAX_IN_FLIGHT_MESSAGES
    resident: bool = False  # whether only the slots use the payload path
    # How long each message of a batch occupies its slot, relative to `slot_s`, in the order of the messages: a sequence
    # for each batch that may occur. Empty if all take about as long.
    unequal: tuple[tuple[float, ...], ...] = ()

    @property
    def orchestrator_s(self) -> float:
        """The orchestrator's least time for a message: full bursts share a flush, if the window allows bursts."""
        burst = BURST_MESSAGES if BURST_AFTER_PER_SLOT * self.slots < self.window else 1
        return self.publish_s + self.collect_s + self.flush_s / burst

    @property
    def publishing_share(self) -> float:
        """Publishing as a share of the orchestrator's time for a message; the rest is collecting."""
        return 1 - self.collect_s / self.orchestrator_s if self.orchestrator_s else 0.0

    @property
    def orchestrator_transfer_s(self) -> float:
        """The orchestrator's time on the payload path for a message, each way: half of that way's load."""
        return 0.0 if self.resident else self.payload_s / 2

    @property
    def slot_transfer_s(self) -> float:
        """A slot's time on the payload path for a message, each way: the rest of that way's load."""
        return self.payload_s - self.orchestrator_transfer_s

    @property
    def total_cpu_s(self) -> float:
        """CPU seconds that a message needs of the slots' cores."""
        own_s = self.publish_s + self.collect_s
        others_s = own_s if self.others_cpu_s is None else self.others_cpu_s
        return self.cpu_s + (others_s if self.shared else 0.0)

    @property
    def latency_s(self) -> float:
        """Time of a message alone in the network."""
        before_s = self.publish_s + self.flush_s + self.broker_s + self.flight_s
        return before_s + self.slot_s + self.collect_s

    def messages(self, tasks: int) -> int:
        """Return the number of messages in a batch."""
        return ceil(tasks / self.chunk)


def stations(network: QueueingNetwork) -> tuple[Station, ...]:
    """Return the stations that a task needs, slots first.

    The window is a station only if it is smaller than the slots: by Little's law, the throughput is then the window
    over a message's latency.
    """
    every = [
        Station("slots", network.slot_s, network.slots),
        Station("orchestrator", network.orchestrator_s, 1),
        Station("broker", network.broker_s, 1),
        Station("payload", network.payload_s, 1),
    ]
    if network.cores is not None:
        every.append(Station("cpu", network.total_cpu_s, network.cores))
    if network.window < network.slots:
        every.append(Station("window", network.latency_s, network.window))
    return tuple(
        Station(each.name, each.demand_s / network.chunk, each.servers) for each in every if each.demand_s > 0
    )


def limiting_station(among: Sequence[Station], network: QueueingNetwork) -> Station:
    """Return the station with the lowest limit, the first of equal ones.

    If that is the orchestrator, and it mostly waits for the payload path, the payload path is returned.
    """
    lowest = min(among, key=lambda station: station.limit_per_s)
    waiting_s = 2 * network.orchestrator_transfer_s
    if lowest.name == "orchestrator" and waiting_s > MOSTLY_WAITING * network.orchestrator_s:
        return next(station for station in among if station.name == "payload")
    return lowest


def bottleneck(network: QueueingNetwork) -> Station:
    """Return the station that limits a long batch most."""
    return limiting_station(stations(network), network)


def throughput_per_s(network: QueueingNetwork) -> float:
    """Return the most tasks a second that can pass: X <= min(m_i / D_i).

    An asymptotic bound of operational analysis, which holds for any distribution and any order of service.
    Sources: Denning & Buzen, "The Operational Analysis of Queueing Network Models", ACM Computing Surveys 10, 1978,
    sec. 6; Lazowska, Zahorjan, Graham & Sevcik, "Quantitative System Performance", 1984, ch. 5.
    """
    return min(station.limit_per_s for station in stations(network))


def stations_besides_slots(network: QueueingNetwork) -> tuple[Station, ...]:
    """Return the stations that remain with unlimited slots, always including the window."""
    unlimited = replace(network, slots=max(network.slots, network.window + 1))
    return tuple(station for station in stations(unlimited) if station.name != "slots")


def ceiling_per_s(network: QueueingNetwork) -> float:
    """Return the most tasks a second that any number of slots can give."""
    return min(station.limit_per_s for station in stations_besides_slots(network))


def knee_slots(network: QueueingNetwork) -> float:
    """Return the slots that are as fast as the next station, N* = D_slot X_max: more of them gain nothing."""
    return ceiling_per_s(network) * network.slot_s / network.chunk
