"""The stations as a discrete-event simulation, to check the formulas and to see what they leave out.

The orchestrator does as strategies/celery/batch.py does: single messages until two for every slot are under way,
then bursts, at most a window of them, and between flushes it takes in every answer that has come. A slot
takes its next message when it is done with the last (prefetch 1). All service times are constant, so a
simulation always gives the same. A machine's cores serve whole tasks in the order they come, which gives
each task another time than shared cores would, but all of them together the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

import simpy

from orchestrator.analysis.queueing.servers import PATHS, LinkOrder, Path, Servers, Steps
from orchestrator.analysis.queueing.stations import MOSTLY, QueueingNetwork, StationName
from orchestrator.model.flow_control import BURST_AFTER_PER_SLOT, BURST_MESSAGES

MOST_MESSAGES: Final = 30_000
"""More messages than this are not simulated one by one: the rest comes at the pace of the middle ones."""


@dataclass(frozen=True, slots=True)
class SimulatedBatch:
    """A simulated batch: its makespan, and the share of it that each station was busy.

    `path_waits` is the share that the orchestrator spent with the payload path, of its own busy share.
    """

    tasks: int
    makespan_s: float
    busy: dict[StationName, float]
    path_waits: float = 0.0

    @property
    def throughput_per_s(self) -> float:
        """Tasks a second."""
        return self.tasks / self.makespan_s

    @property
    def bottleneck(self) -> StationName:
        """The station that was busy for the largest share; the payload path, if that is whom it waited for."""
        busiest = max(self.busy, key=lambda name: self.busy[name])
        waits = busiest == "orchestrator" and self.path_waits > MOSTLY * self.busy[busiest]
        return "payload" if waits else busiest


def simulate(system: QueueingNetwork, tasks: int, link: LinkOrder = "shared") -> SimulatedBatch:
    """One batch of `tasks` tasks, at least 1, through the stations.

    Args:
        system: the stations.
        tasks: in the batch.
        link: whether transfers beside each other share the payload path, each as much as any other, as TCP
            connections do, or one goes after the other. A path that is shared takes longer where tasks fall
            into step: all of them fetch, and then all of them store.
    """
    messages = system.messages(tasks)
    run = _Batch(system, min(messages, MOST_MESSAGES), link)
    ended = run.ended_at
    makespan_s = ended[-1]
    if messages > len(ended):
        first, last = len(ended) // 3, 2 * len(ended) // 3
        makespan_s += (messages - len(ended)) * (ended[last] - ended[first]) / (last - first)
    return SimulatedBatch(tasks, makespan_s, run.busy(), run.path_waits_s / ended[-1])


class _Batch:
    """A batch of messages; it is over when it has been made."""

    def __init__(self, system: QueueingNetwork, messages: int, link: LinkOrder) -> None:
        self.system, self.messages = system, messages
        self.ended_at: list[float] = []
        self.env = simpy.Environment()
        self.slots = simpy.Container(self.env, system.slots, system.slots)
        self.broker = Servers([0.0])
        self.into: Path = PATHS[link]()
        self.out_of: Path = PATHS[link]()
        # A share of a machine may be a broken number of cores: slots that fill it are each as much slower.
        cores = system.cores
        self.core_speed = 1.0 if cores is None else min(1.0, cores / min(ceil(cores), system.slots))
        self.cores = None if cores is None else Servers([0.0] * ceil(cores))
        self.answers = 0
        self.answered = self.env.event()
        self.orchestrator_s = self.path_waits_s = 0.0
        self.env.process(self._orchestrate())
        self.env.run()
        if self.cores is not None:
            # What the orchestrator had of the cores it had before the end, though nobody waited for it here.
            self.ended_at[-1] = max(self.ended_at[-1], *self.cores.free_at)

    def _orchestrate(self) -> Steps:
        """The orchestrator's one thread: publish while there is room, take in what has come."""
        env, system = self.env, self.system
        left, under_way = self.messages, 0
        while left or under_way:
            most = BURST_MESSAGES if under_way >= BURST_AFTER_PER_SLOT * system.slots else 1
            burst = min(system.window - under_way, left, most)
            if burst > 0:
                started = env.now
                for _ in range(burst):
                    yield from self._with_path(self.into, system.publish_s)
                if system.flush_s:
                    yield env.timeout(system.flush_s)
                self.orchestrator_s += env.now - started
                left, under_way = left - burst, under_way + burst
                for _ in range(burst):
                    env.process(self._message())
            while self.answers:
                self.answers -= 1
                started = env.now
                yield from self._with_path(self.out_of, system.collect_s)
                self.orchestrator_s += env.now - started
                under_way -= 1
                self.ended_at.append(env.now)
            if under_way and not (left and under_way < system.window):
                self.answered = env.event()
                yield self.answered

    def _message(self) -> Steps:
        """A message's way from the flush to its answer."""
        env, system = self.env, self.system
        yield env.timeout(system.flight_s / 2 + self.broker.wait_s(env.now, system.broker_s))
        yield self.slots.get(1)
        if system.payload_s:
            yield self.out_of.passed(env, system.slot_leg_s)
        yield env.timeout(self._worked_s())
        if system.payload_s:
            yield self.into.passed(env, system.slot_leg_s)
        self.slots.put(1)
        if system.flight_s:
            yield env.timeout(system.flight_s / 2)
        self.answers += 1
        if not self.answered.triggered:
            self.answered.succeed()

    def _with_path(self, path: Path, own_s: float) -> Steps:
        """The orchestrator's time with its half of the payload path's, and its wait for that path."""
        if self.cores is not None and self.system.shared:
            # The scheduler gives the orchestrator its turn at once; the slots' tasks feel that it had it.
            self.cores.wait_s(self.env.now, own_s / self.core_speed)
        leg_s = self.system.own_leg_s
        if leg_s:
            began = self.env.now
            yield path.passed(self.env, leg_s)
            self.path_waits_s += self.env.now - began
        yield self.env.timeout(max(0.0, own_s - leg_s))

    def _worked_s(self) -> float:
        """Seconds that a slot works on a message, with its wait for a core but not for the payload path."""
        own_s = max(0.0, self.system.slot_s - 2 * self.system.slot_leg_s)
        if self.cores is None or not self.system.cpu_s:
            return own_s
        computing_s = min(own_s, self.system.cpu_s)
        # Moving payloads is CPU time, too; the cores have to give it, but nobody waits for it twice.
        self.cores.wait_s(self.env.now, (self.system.cpu_s - computing_s) / self.core_speed)
        return own_s - computing_s + self.cores.wait_s(self.env.now, computing_s / self.core_speed)

    def busy(self) -> dict[StationName, float]:
        """Each station's share of the makespan and of its servers."""
        system, makespan_s = self.system, self.ended_at[-1]
        slots_s = self.messages * system.slot_s
        shares: dict[StationName, float] = {
            "slots": slots_s / system.slots / makespan_s,
            "orchestrator": self.orchestrator_s / makespan_s,
            "broker": self.broker.busy_s / makespan_s,
            "payload": max(self.into.busy_s, self.out_of.busy_s) / makespan_s,
        }
        if system.cores is not None:
            shares["cpu"] = self.messages * system.all_cpu_s / system.cores / makespan_s
        if system.window < system.slots:
            shares["window"] = self.messages * system.latency_s / system.window / makespan_s
        return shares
