"""What a worker tells of itself when asked over Celery's remote control."""

from __future__ import annotations

import os
import platform
import socket
import time
from pathlib import Path
from typing import Any, Final

import redis
from celery.worker.control import control_command, inspect_command
from celery.worker.request import Request
from celery.worker.state import reserved_requests

from worker.access_errors import refusal
from worker.clock import clock_identity
from worker.messages import VERSION
from worker.payloads.redis import connect
from worker.settings import settings

CGROUPS: Final = Path("/sys/fs/cgroup")


def usable_cpus() -> int:
    """Processors that this process may run on, counting a cgroup's quota where there is one; at least 1."""
    return max(1, round(cpu_share()))


def cpu_share() -> float:
    """The same without rounding: 0.25 for a container that may use a quarter of one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = cpu_quota()
    return float(affinity if quota is None else min(affinity, quota))


def cpu_quota(mounted: Path = CGROUPS) -> float | None:
    """Processors that this cgroup may use, such as 0.25; `None` where nothing limits it.

    A container sees its own cgroup at the top; files of version 2 first, then those of version 1.
    """
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((mounted / name).read_text(encoding="ascii") for name in names).split()
        except (OSError, ValueError):
            continue
        return None if quota in ("max", "-1") else int(quota) / int(period)
    return None


@inspect_command(name="breakeven_describe")
def describe(state: Any, **_: Any) -> dict[str, Any]:
    """Who this worker is: release of the message format, slots, processors and Python."""
    pool = state.consumer.pool
    return {
        "version": VERSION,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "slots": pool.num_processes,
        "usable_cpus": cpu_share(),
        "python": platform.python_version(),
        "clock": clock_identity(),
        "payload_dir": settings().payload_dir,
        "events": _sends_task_events(state),
    }


@inspect_command(name="breakeven_clock")
def clock(state: Any, **_: Any) -> dict[str, float]:
    """This machine's monotonic clock, in seconds: the clock of every time this worker reports."""
    return {"monotonic_s": time.monotonic()}


@inspect_command(name="breakeven_present")
def present(state: Any, **_: Any) -> dict[str, Any]:
    """That this worker is there: its process, its slots' processes, and the tasks it has and has not answered.

    Celery looks after a slot process when the pipe to it closes, which is a moment before the process has ended: if it
    still runs by then, Celery finds out up to five seconds later. So it looks again here, and starts another one.
    """
    pool = state.consumer.pool
    pool.maintain_pool()
    waiting = (entry.entry.args for entry in state.consumer.timer.schedule.queue)
    delayed = {args[0].id for args in waiting if args and isinstance(args[0], Request)}
    return {
        "pid": os.getpid(),
        "slots": pool.info.get("processes", []),
        "tasks": [*delayed.union(request.id for request in state.tset(reserved_requests))],
    }


@inspect_command(name="breakeven_payload", args=[("key", str)])
def payload(state: Any, key: str, **_: Any) -> dict[str, str | bool | None]:
    """Whether something lies under `key` in the payload store that this worker uses, or why that cannot be told."""
    config = settings()
    try:
        with connect(config.payload_store_url, timeout_s=5.0, tls=config.tls) as client:
            return {"found": bool(client.exists(key)), "error": None}
    except (redis.RedisError, OSError) as error:
        return {"found": False, "error": refusal(error, config) or str(error)}


@control_command(name="breakeven_events", args=[("on", bool)])
def events(state: Any, on: bool, **_: Any) -> dict[str, bool]:
    """Send task events, or none, until told otherwise; tells whether it does now.

    Celery's own `disable_events` leaves a worker as it is that was started with `--task-events`. One that was
    started with neither those nor heartbeats has no line for events: it goes on sending none.
    """
    dispatcher = state.consumer.event_dispatcher
    if dispatcher is not None:
        dispatcher.groups = set() if on else WithoutTasks({"worker"})
    return {"events": _sends_task_events(state)}


class WithoutTasks(set[str]):
    """The groups of events that a worker sends, and never those of tasks: Flower asks for them every 5 s."""

    def add(self, group: str) -> None:
        """Stay as it is."""


def _sends_task_events(state: Any) -> bool:
    """Whether tasks of this worker are to be seen in Flower; no group at all stands for every group."""
    dispatcher = state.consumer.event_dispatcher
    if dispatcher is None or not dispatcher.enabled:
        return False
    return not dispatcher.groups or "task" in dispatcher.groups
