"""What one batch asked of each station, a task: from the times that its sample holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from statistics import median
from typing import Final

from orchestrator.analysis.queueing.stations import QueueingNetwork
from orchestrator.model.environment import Worker
from orchestrator.model.runs import Cell, Run, Sample, Stations

SATURATED: Final = 0.8
"""A station that was busy for this share of a batch may have been what the others waited for."""


@dataclass(frozen=True, slots=True)
class TaskDemands:
    """Seconds of each station's time that one task needs; `overhead_s` alone is a message's.

    `held_s` is from before the fetch to after the store; `overhead_s` is what a message keeps its slot
    beyond that: delivery, the result, the acknowledgement. `cpu_s` is the worker's CPU time. `payload_s` is
    of each direction of the payload path, 0 where its time is known as the broker's. `broker_s` is 0 where
    the broker does not tell.
    """

    publish_s: float
    collect_s: float
    broker_s: float
    payload_bytes: float
    payload_s: float
    held_s: float
    overhead_s: float
    cpu_s: float

    def system(self, chunk: int, slots: int, cores: float | None, shared: bool) -> QueueingNetwork:
        """The stations as one message meets them."""
        return QueueingNetwork(
            chunk=chunk,
            slots=slots,
            publish_s=chunk * self.publish_s,
            collect_s=chunk * self.collect_s,
            slot_s=chunk * self.held_s + self.overhead_s,
            broker_s=chunk * self.broker_s,
            payload_s=chunk * self.payload_s,
            cpu_s=chunk * self.cpu_s,
            cores=cores,
            shared=shared,
        )


def median_demands(of: Sequence[TaskDemands]) -> TaskDemands:
    """Each demand's median."""
    return TaskDemands(*(median(getattr(each, field.name) for each in of) for field in fields(TaskDemands)))


def sample_demands(sample: Sample, seen: Stations, cell: Cell, run: Run) -> TaskDemands:
    """One batch's demands.

    The overhead o is what the makespan leaves unexplained where the slots are the bottleneck: M messages on s
    slots take w = ceil(M / s) turns, of which the last has k = (M - 1) mod s + 1 messages, so
    T = p + (k - 1) max(p, c) + w (h + o) + c, with p, h, c a message's publishing, holding and collecting
    (`passage.makespans_s`).

    Where the payload path was busy nearly all of the time, fetching and storing was mostly waiting for it: a
    slot is then said to be held for what it moves and computes.
    """
    # What is left when waiting is taken away, or a counter's difference, may come out below nothing.
    seen = replace(seen, collect_s=max(0.0, seen.collect_s), broker_cpu_s=_not_negative(seen.broker_cpu_s))
    tasks, messages = sample.tasks, seen.messages
    waves, before = ceil(messages / cell.slots), (messages - 1) % cell.slots + 1
    apart_s = (before - 1) * max(seen.publish_s, seen.collect_s)
    ends_s = (seen.publish_s + apart_s + seen.collect_s) / messages
    overhead_s = max(0.0, (sample.makespan_s - ends_s) / waves - seen.slot_s / messages)
    plain = TaskDemands(
        publish_s=seen.publish_s / tasks,
        collect_s=seen.collect_s / tasks,
        broker_s=(seen.broker_cpu_s or 0.0) / tasks,
        payload_bytes=seen.payload_bytes / tasks,
        payload_s=_payload_s(seen, run) / tasks,
        held_s=seen.slot_s / tasks,
        overhead_s=overhead_s,
        cpu_s=0.0,
    )
    cpu_s = 0.0 if sample.hops is None else sample.hops.compute_cpu_s
    computed_s = 0.0 if sample.hops is None else sample.hops.compute_s
    if plain.payload_s * tasks > SATURATED * sample.makespan_s:
        moving_s = (2 if cell.data == "resident" else 1) * plain.payload_s
        plain = replace(plain, held_s=min(plain.held_s, computed_s + moving_s))
    handling_s = max(0.0, plain.held_s - computed_s)
    return replace(plain, cpu_s=cpu_s + (handling_s if cores_of(run)[1] else 0.0))


def _not_negative(seconds: float | None) -> float | None:
    return None if seconds is None else max(0.0, seconds)


def overhead_unseen_s(plain: TaskDemands, run: Run, chunk: int) -> float:
    """A message's overhead where the slots waited for others: an empty task's time, if that is less.

    Of that time, publishing and collecting are not the slot's. They are known from the batch alone, where they
    may have taken longer than for an empty task, for payloads or for a broker that had no time. But of an empty
    task's round trips one is the orchestrator's and all others are the slot's (`round_trips`): so half of its
    time is the slot's at least.
    """
    empty_s = None if run.preflight is None else run.preflight.noop_task_s
    if empty_s is None:
        return plain.overhead_s
    others_s = chunk * (plain.publish_s + plain.collect_s)
    return min(plain.overhead_s, max(empty_s / 2, empty_s - others_s))


def cores_of(run: Run) -> tuple[float | None, bool]:
    """How many cores serve all of the run's slots together, and whether orchestrator and broker share them.

    An embedded fleet has this machine's. Elsewhere it is the sum over the workers' machines
    (`cores_by_machine`), `None` where none tells; shared are they where all of them are this machine's.
    """
    broker, workers = run.environment.broker, run.environment.workers
    cores = cores_by_machine(run)
    embedded = broker is None or broker.embedded
    crowded = cores == (float(run.environment.cpu.logical),) and all(map(_is_here, workers))
    return sum(cores) or None, embedded or crowded


def cores_by_machine(run: Run) -> tuple[float, ...]:
    """The cores of each machine that serves slots; a container with a share of a core is a machine with so much.

    Machines are told apart by the part of a worker's name after the @. Those on this machine's own clock are
    containers on it: where they may use as many cores between them as it has, or more, they are one machine.
    """
    broker, cpu = run.environment.broker, run.environment.cpu
    if broker is None or broker.embedded:
        return (float(cpu.usable),)
    here: dict[str, float] = {}
    elsewhere: dict[str, float] = {}
    for worker in run.environment.workers:
        machines, name = here if _is_here(worker) else elsewhere, worker.name.rpartition("@")[2]
        machines[name] = max(machines.get(name, 0.0), worker.usable_cpus)
    crowded = sum(here.values()) > cpu.logical - 0.01  # a sum of shares, such as ten times 0.2
    return (*([float(cpu.logical)] if crowded else here.values()), *elsewhere.values())


def _is_here(worker: Worker) -> bool:
    """Whether a worker reads this machine's clock: an offset of exactly none is never estimated, but known."""
    return worker.clock_offset_s == 0.0


def _payload_s(seen: Stations, run: Run) -> float:
    """Seconds that a batch's payloads take on each direction of their path, as the preflight had it.

    Half of the bytes go in, half come out. The path carries at least what one connection had of it in the
    quicker direction. On one machine there is no path but the CPU, so where the broker tells its CPU time
    nothing is left over.
    """
    path, broker = run.preflight, run.environment.broker
    on_this_machine = broker is None or broker.embedded
    if path is None or (on_this_machine and seen.broker_cpu_s is not None):
        return 0.0
    rates = [rate for rate in (path.payload_put_bytes_per_s, path.payload_get_bytes_per_s) if rate]
    return seen.payload_bytes / 2 / max(rates) if rates else 0.0
