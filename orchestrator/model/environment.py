"""Where a comparison was made: the machine, the servers, the workers, and how they were. Seconds and bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor: how many it has, and how many this process may use."""

    model: str | None
    logical: int
    usable: int


@dataclass(frozen=True, slots=True)
class Broker:
    """A server that queues tasks, or holds payloads.

    `evicts` is whether it drops keys when memory is short. One that does is refused, so it is False, or
    `None` where the server does not tell.
    """

    name: str
    version: str
    embedded: bool
    evicts: bool | None = False


@dataclass(frozen=True, slots=True)
class Worker:
    """A Celery worker as it described itself; its clock's offset from ours, known to within the bound.

    `usable_cpus` counts a container's quota, such as 0.25; `events` is whether it sent task events when the
    run began.
    """

    name: str
    slots: int
    usable_cpus: float
    python: str
    clock_offset_s: float | None = None
    clock_bound_s: float | None = None
    events: bool | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """Where it was measured. `payload_store` is the Redis that held payloads, `None` where the broker did."""

    cpu: Cpu
    memory_bytes: int
    platform: str
    python: str
    gil: bool
    packages: dict[str, str]
    broker: Broker | None = None
    workers: tuple[Worker, ...] = ()
    payload_store: Broker | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """What the broker and the clock cost before any work is done; `None` where no broker is used."""

    timer_resolution_s: float
    broker_rtt_s: float | None = None
    payload_put_bytes_per_s: float | None = None
    payload_get_bytes_per_s: float | None = None
    noop_task_s: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """The machine during one round, as far as it shows it: shares from 0 to 1 of its CPU time.

    `other` is work of processes that are not ours, `steal` what the hypervisor gave to others,
    `throttled_s` seconds that a cgroup quota held us back, `mhz` the mean frequency.
    """

    round: int
    other: float | None = None
    steal: float | None = None
    throttled_s: float | None = None
    mhz: float | None = None
