"""The stations as a discrete-event simulation, to check the formulas and to see what they leave out.

The orchestrator does as strategies/celery.py does: single messages until two for every slot are under way,
then bursts, at most a window of them, and between flushes it takes in every answer that has come. A slot
takes its next message when it is done with the last (prefetch 1). All service times are constant, so a
simulation always gives the same. A machine's cores serve whole tasks in the order they come, which gives
each task another time than shared cores would, but all of them together the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeAlias

import simpy

from orchestrator.analysis.system import BURST_MESSAGES, MOSTLY, StationName, System

Steps: TypeAlias = Generator[simpy.Event, object, None]

MOST_MESSAGES: Final = 30_000
"""More messages than this are not simulated one by one: the rest comes at the pace of the middle ones."""


@dataclass(frozen=True, slots=True)
class Simulated:
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


def simulate(system: System, tasks: int) -> Simulated:
    """One batch of `tasks` tasks, at least 1, through the stations."""
    messages = system.messages(tasks)
    run = _Batch(system, min(messages, MOST_MESSAGES))
    ended = run.ended_at
    makespan_s = ended[-1]
    if messages > len(ended):
        first, last = len(ended) // 3, 2 * len(ended) // 3
        makespan_s += (messages - len(ended)) * (ended[last] - ended[first]) / (last - first)
    return Simulated(tasks, makespan_s, run.busy(), run.path_waits_s / ended[-1])


@dataclass(slots=True)
class _Servers:
    """A station that serves in the order of arrival: when each of its servers is free again."""

    free_at: list[float]
    busy_s: float = 0.0

    def wait_s(self, now: float, service_s: float) -> float:
        """Seconds from arrival to the end of the service, which begins as soon as a server is free."""
        done = max(now, self.free_at[0]) + service_s
        heapq.heapreplace(self.free_at, done)
        self.busy_s += service_s
        return done - now


class _Batch:
    """A batch of messages; it is over when it has been made."""

    def __init__(self, system: System, messages: int) -> None:
        self.system, self.messages = system, messages
        self.ended_at: list[float] = []
        self.env = simpy.Environment()
        self.slots = simpy.Container(self.env, system.slots, system.slots)
        self.broker, self.into, self.out_of = _Servers([0.0]), _Servers([0.0]), _Servers([0.0])
        # A share of a machine may be a broken number of cores: slots that fill it are each as much slower.
        cores = system.cores
        self.core_speed = 1.0 if cores is None else min(1.0, cores / min(ceil(cores), system.slots))
        self.cores = None if cores is None else _Servers([0.0] * ceil(cores))
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
            most = BURST_MESSAGES if under_way >= 2 * system.slots else 1
            burst = min(system.window - under_way, left, most)
            if burst > 0:
                started = env.now
                for _ in range(burst):
                    yield env.timeout(self._with_path(self.into, system.publish_s))
                if system.flush_s:
                    yield env.timeout(system.flush_s)
                self.orchestrator_s += env.now - started
                left, under_way = left - burst, under_way + burst
                for _ in range(burst):
                    env.process(self._message())
            while self.answers:
                self.answers -= 1
                started = env.now
                yield env.timeout(self._with_path(self.out_of, system.collect_s))
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
            yield env.timeout(self.out_of.wait_s(env.now, system.slot_leg_s))
        yield env.timeout(self._worked_s())
        if system.payload_s:
            yield env.timeout(self.into.wait_s(env.now, system.slot_leg_s))
        self.slots.put(1)
        if system.flight_s:
            yield env.timeout(system.flight_s / 2)
        self.answers += 1
        if not self.answered.triggered:
            self.answered.succeed()

    def _with_path(self, path: _Servers, own_s: float) -> float:
        """Seconds of the orchestrator with its half of the payload path's; they include that path's wait."""
        if self.cores is not None and self.system.shared:
            # The scheduler gives the orchestrator its turn at once; the slots' tasks feel that it had it.
            self.cores.wait_s(self.env.now, own_s / self.core_speed)
        leg_s = self.system.own_leg_s
        if not leg_s:
            return own_s
        waits_s = path.wait_s(self.env.now, leg_s)
        self.path_waits_s += waits_s
        return max(0.0, own_s - leg_s) + waits_s

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
