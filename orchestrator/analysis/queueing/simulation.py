"""The stations as a discrete-event simulation: it checks the formula, and models what the formula leaves out.

The orchestrator does what strategies/celery/batch.py does: it publishes single messages until every slot has two,
then bursts up to the window, and between flushes it collects every result that has come. Slot times are constant, or
those of the network's `unequal` batches; cores serve whole tasks in order of arrival, which takes all tasks together
as long as time slices would.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from math import ceil
from typing import Final, Literal, TypeAlias

import simpy

from orchestrator.analysis.queueing.stations import MOSTLY_WAITING, QueueingNetwork, StationName
from orchestrator.model.flow_control import BURST_AFTER_PER_SLOT, BURST_MESSAGES

Steps: TypeAlias = Generator[simpy.Event, object, None]
LinkOrder: TypeAlias = Literal["shared", "in turn"]

MAX_UNEQUAL_MESSAGES: Final = 3000  # of all unequal batches together: of longer ones, fewer are simulated
MAX_MESSAGES: Final = 30_000  # the rest of a longer batch is extrapolated from the pace of its middle third


@dataclass(slots=True)
class FifoServers:
    """Servers that work in order of arrival; `free_at` is when each is free again."""

    free_at: list[float]
    busy_s: float = 0.0

    def transfer(self, env: simpy.Environment, service_s: float) -> simpy.Event:
        """Return the event that ends the service."""
        return env.timeout(self.wait_s(env.now, service_s))

    def wait_s(self, now: float, service_s: float) -> float:
        """Serve an arrival and return the seconds until its service ends."""
        done = max(now, self.free_at[0]) + service_s
        heapq.heapreplace(self.free_at, done)
        self.busy_s += service_s
        return done - now


@dataclass(slots=True)
class ProcessorSharing:
    """A server that all transfers share evenly.

    `virtual_s` is the service that each transfer present since the beginning has had; one that arrives at a virtual
    time ends `service_s` of virtual time later. Source: Kleinrock, "Queueing Systems", vol. 2, 1976, sec. 4.4.
    """

    busy_s: float = 0.0
    virtual_s: float = 0.0
    updated_at: float = 0.0
    present: list[tuple[float, int, simpy.Event]] = field(default_factory=list)
    changes: int = 0

    def transfer(self, env: simpy.Environment, service_s: float) -> simpy.Event:
        """Return the event that ends the transfer."""
        self._advance(env.now)
        self.busy_s += service_s
        done = env.event()
        heapq.heappush(self.present, (self.virtual_s + service_s, self.changes, done))
        self._await_next(env)
        return done

    def _advance(self, now: float) -> None:
        if self.present:
            self.virtual_s += (now - self.updated_at) / len(self.present)
        self.updated_at = now

    def _await_next(self, env: simpy.Environment) -> None:
        self.changes += 1
        if self.present:
            env.process(self._end_next(env, self.changes))

    def _end_next(self, env: simpy.Environment, change: int) -> Steps:
        yield env.timeout(max(0.0, self.present[0][0] - self.virtual_s) * len(self.present))
        if change == self.changes:
            self._advance(env.now)
            self.virtual_s, _, done = heapq.heappop(self.present)
            done.succeed()
            self._await_next(env)


Path: TypeAlias = ProcessorSharing | FifoServers  # one direction of the payload path

PATHS: Final[Mapping[LinkOrder, Callable[[], Path]]] = {
    "shared": ProcessorSharing,
    "in turn": lambda: FifoServers([0.0]),
}


@dataclass(frozen=True, slots=True)
class SimulatedBatch:
    """A simulated batch: its makespan, and for which share of it each station was busy.

    Of a network with several `unequal` batches it is the median one; `makespans_s` are those of all, in order.
    """

    tasks: int
    makespan_s: float
    makespans_s: tuple[float, ...]
    busy: dict[StationName, float]
    transfer_share: float = 0.0  # share of the makespan that the orchestrator spent with the payload path

    @property
    def bottleneck(self) -> StationName:
        """The busiest station, or the payload path if the orchestrator was busiest waiting for it."""
        busiest = max(self.busy, key=lambda name: self.busy[name])
        waits = busiest == "orchestrator" and self.transfer_share > MOSTLY_WAITING * self.busy[busiest]
        return "payload" if waits else busiest


def simulate(network: QueueingNetwork, tasks: int, link: LinkOrder = "shared") -> SimulatedBatch:
    """Simulate one batch of `tasks` tasks, at least 1.

    Simultaneous transfers share the payload path evenly, as TCP connections do, or take turns. A shared path takes
    longer if tasks fall into step: all of them fetch, and then all of them store.
    """
    messages = network.messages(tasks)
    batches = network.unequal[: max(1, MAX_UNEQUAL_MESSAGES // messages)] or ((),)
    simulated = sorted(
        (_simulate(network, tasks, link, relative) for relative in batches), key=lambda each: each.makespan_s
    )
    makespans_s = tuple(each.makespan_s for each in simulated)
    return replace(simulated[len(simulated) // 2], makespans_s=makespans_s)


def _simulate(
    network: QueueingNetwork, tasks: int, link: LinkOrder, relative: Sequence[float]
) -> SimulatedBatch:
    messages = network.messages(tasks)
    run = _Batch(network, min(messages, MAX_MESSAGES), link, relative)
    ended = run.ended_at
    makespan_s = ended[-1]
    if messages > len(ended):
        first, last = len(ended) // 3, 2 * len(ended) // 3
        makespan_s += (messages - len(ended)) * (ended[last] - ended[first]) / (last - first)
    return SimulatedBatch(tasks, makespan_s, (makespan_s,), run.busy(), run.transfer_s / ended[-1])


class _Batch:
    """A batch of messages, simulated when it is constructed."""

    def __init__(
        self, network: QueueingNetwork, messages: int, link: LinkOrder, relative: Sequence[float]
    ) -> None:
        self.network, self.messages = network, messages
        self.relative = cycle(relative or (1.0,))  # slot time of the next message over `slot_s`
        self.ended_at: list[float] = []
        self.env = simpy.Environment()
        self.slots = simpy.Container(self.env, network.slots, network.slots)
        self.broker = FifoServers([0.0])
        self.into: Path = PATHS[link]()
        self.out_of: Path = PATHS[link]()
        # A share of a machine may be a fractional number of cores: each of its slots is slower accordingly.
        cores = network.cores
        self.core_speed = 1.0 if cores is None else min(1.0, cores / min(ceil(cores), network.slots))
        own_s = network.publish_s + network.collect_s
        computing_s = own_s if network.others_cpu_s is None else network.others_cpu_s
        self.computing_share = computing_s / own_s if own_s else 0.0
        self.cores = None if cores is None else FifoServers([0.0] * ceil(cores))
        self.results = 0
        self.result_came = self.env.event()
        self.orchestrator_s = self.transfer_s = 0.0
        self.env.process(self._orchestrate())
        self.env.run()
        if self.cores is not None:
            # The batch cannot end before the cores have served everything, the orchestrator's share included.
            self.ended_at[-1] = max(self.ended_at[-1], *self.cores.free_at)

    def _orchestrate(self) -> Steps:
        """Publish while there is room, and collect the results that have come, in one thread."""
        env, network = self.env, self.network
        left, in_flight = self.messages, 0
        while left or in_flight:
            most = BURST_MESSAGES if in_flight >= BURST_AFTER_PER_SLOT * network.slots else 1
            burst = min(network.window - in_flight, left, most)
            if burst > 0:
                started = env.now
                for _ in range(burst):
                    yield from self._with_path(self.into, network.publish_s)
                if network.flush_s:
                    yield env.timeout(network.flush_s)
                self.orchestrator_s += env.now - started
                left, in_flight = left - burst, in_flight + burst
                for _ in range(burst):
                    env.process(self._message(next(self.relative)))
            while self.results:
                self.results -= 1
                started = env.now
                yield from self._with_path(self.out_of, network.collect_s)
                self.orchestrator_s += env.now - started
                in_flight -= 1
                self.ended_at.append(env.now)
            if in_flight and not (left and in_flight < network.window):
                self.result_came = env.event()
                yield self.result_came

    def _message(self, relative: float) -> Steps:
        """Take a message from its flush to its result."""
        env, network = self.env, self.network
        yield env.timeout(network.flight_s / 2 + self.broker.wait_s(env.now, network.broker_s))
        yield self.slots.get(1)
        if network.payload_s:
            yield self.out_of.transfer(env, network.slot_transfer_s)
        yield env.timeout(self._work_s(relative))
        if network.payload_s:
            yield self.into.transfer(env, network.slot_transfer_s)
        self.slots.put(1)
        if network.flight_s:
            yield env.timeout(network.flight_s / 2)
        self.results += 1
        if not self.result_came.triggered:
            self.result_came.succeed()

    def _with_path(self, path: Path, own_s: float) -> Steps:
        """Spend the orchestrator's time on a message: its half of the payload path's load, then the rest."""
        if self.cores is not None and self.network.shared:
            # The scheduler runs the orchestrator at once, at the expense of the slots' tasks.
            self.cores.wait_s(self.env.now, own_s * self.computing_share / self.core_speed)
        transfer_s = self.network.orchestrator_transfer_s
        if transfer_s:
            began = self.env.now
            yield path.transfer(self.env, transfer_s)
            self.transfer_s += self.env.now - began
        yield self.env.timeout(max(0.0, own_s - transfer_s))

    def _work_s(self, relative: float) -> float:
        """Return a slot's seconds for a message, with its wait for a core but not for the payload path."""
        network = self.network
        own_s = max(0.0, relative * network.slot_s - 2 * network.slot_transfer_s)
        if self.cores is None or not network.cpu_s:
            return own_s
        cpu_s = relative * network.cpu_s
        computing_s = min(own_s, cpu_s)
        # Moving payloads needs CPU time as well: the cores spend it, but the slot does not wait for it twice.
        self.cores.wait_s(self.env.now, (cpu_s - computing_s) / self.core_speed)
        return own_s - computing_s + self.cores.wait_s(self.env.now, computing_s / self.core_speed)

    def busy(self) -> dict[StationName, float]:
        """Return each station's busy time as a share of the makespan and of its servers."""
        network, makespan_s = self.network, self.ended_at[-1]
        slots_s = self.messages * network.slot_s
        shares: dict[StationName, float] = {
            "slots": slots_s / network.slots / makespan_s,
            "orchestrator": self.orchestrator_s / makespan_s,
            "broker": self.broker.busy_s / makespan_s,
            "payload": max(self.into.busy_s, self.out_of.busy_s) / makespan_s,
        }
        if network.cores is not None:
            shares["cpu"] = self.messages * network.total_cpu_s / network.cores / makespan_s
        if network.window < network.slots:
            shares["window"] = self.messages * network.latency_s / network.window / makespan_s
        return shares
