"""Where a run was measured: the machine, its servers and workers, and their state. Seconds and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from orchestrator.model.quantities import (
    Bytes,
    LoadShare,
    Megahertz,
    PositiveCount,
    PositiveSeconds,
    Processors,
    Rate,
    Round,
    Seconds,
    SignedSeconds,
    Slots,
    Text,
)


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processors: how many there are, and how many this process may use, such as 0.25 under a quota."""

    model: Text | None
    logical: PositiveCount
    usable: Processors


@dataclass(frozen=True, slots=True)
class Broker:
    """A server that queues tasks, or stores payloads.

    `evicts` is whether it drops keys when memory is short. A server that does is refused, so this is False, or
    `None` where the server does not show its configuration.
    """

    name: Text
    version: Text
    embedded: bool
    evicts: bool | None = False


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery worker as it described itself, with the offset of its clock from ours and the offset's bound.

    `usable_cpus` counts a container's quota, such as 0.25; `events` is whether it sent task events when the
    run began.
    """

    name: Text
    slots: Slots
    usable_cpus: Processors
    python: Text
    clock_offset_s: SignedSeconds | None = None
    clock_bound_s: Seconds | None = None
    events: bool | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine and the servers. `payload_store` is the Redis for payloads, `None` if that is the broker.

    `compose` is whether the workers are a service of Docker Compose.
    """

    cpu: Cpu
    memory_bytes: Bytes
    platform: Text
    python: Text
    gil: bool
    packages: Annotated[dict[Text, Text], Field(max_length=1_000)]
    broker: Broker | None = None
    workers: Annotated[tuple[Worker, ...], Field(max_length=10_000)] = ()
    payload_store: Broker | None = None
    compose: bool = False


@dataclass(frozen=True, slots=True)
class TaskOverhead:
    """What a short task costs beside its work, in seconds: the time of a batch x slots / tasks, less the work.

    It foretells how long a task must be for half of a slot's time to be work. Where slots are processes of this
    machine, the tasks work for about as long as that; elsewhere they are no-ops.
    """

    strategy: Text
    slots: Slots
    transport: Text | None
    chunk: PositiveCount | None
    pool: Text | None
    task_s: Seconds

    def is_of(self, cell: object) -> bool:
        """Return whether a cell sends its tasks in this way."""
        names = ("strategy", "slots", "transport", "chunk", "pool")
        return all(getattr(cell, name) == getattr(self, name) for name in names)


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the timer, the broker, the payload store and tasks cost without any work; `None` where none is used."""

    timer_resolution_s: Seconds
    broker_rtt_s: Seconds | None = None
    payload_put_bytes_per_s: Rate | None = None
    payload_get_bytes_per_s: Rate | None = None
    noop_task_s: Seconds | None = None
    overheads: Annotated[tuple[TaskOverhead, ...], Field(max_length=1_000)] = ()

    def overhead_s(self, cell: object) -> float | None:
        """Return what a short task of a cell costs beside its work, in seconds of a slot."""
        return next((each.task_s for each in self.overheads if each.is_of(cell)), None)


@dataclass(frozen=True, slots=True)
class Load:
    """The machine during one round, as far as the system counts it; shares are of its CPU time, 0 to 1.

    `other` is the work of processes that are not ours, `steal` what the hypervisor gave to others,
    `throttled_s` the seconds that a cgroup's quota held us back, `workers_throttled_s` those of the workers of an
    external fleet in all, `mhz` the mean frequency, `reference_s` the median time of a fixed loop, timed before
    each sample of the round.
    """

    round: Round
    other: LoadShare | None = None
    steal: LoadShare | None = None
    throttled_s: SignedSeconds | None = None
    mhz: Megahertz | None = None
    workers_throttled_s: Seconds | None = None
    reference_s: PositiveSeconds | None = None
