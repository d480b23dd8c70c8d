"""What a worker answers over Celery's remote control, and what it reads of its machine for that."""

from __future__ import annotations

import os
import platform
import socket
import time
from pathlib import Path
from typing import Any

import redis
from celery.worker.control import control_command, inspect_command
from celery.worker.request import Request
from celery.worker.state import reserved_requests

from worker.access_errors import access_error
from worker.cgroup import cpu_quota
from worker.messages import VERSION
from worker.payloads.redis import connect
from worker.settings import settings


def usable_cpus() -> int:
    """Return the processors that this process may use, rounded, at least 1; see `cpu_share`."""
    return max(1, round(cpu_share()))


def cpu_share() -> float:
    """Return the processors that this process may use, such as 0.25 under a container's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = cpu_quota()
    return float(affinity if quota is None else min(affinity, quota))


def clock_identity() -> str | None:
    """Return the identity of this machine's monotonic clock; equal identities mean the same clock.

    Linux counts CLOCK_MONOTONIC from boot, for all containers alike unless a time namespace shifts it
    (`man 7 time_namespaces`). `None` where the system does not tell.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    try:
        shift = " ".join(Path("/proc/self/timens_offsets").read_text(encoding="ascii").split())
    except OSError:
        shift = ""
    return f"{boot} {shift}".strip()


@inspect_command(name="breakeven_describe")
def describe(state: Any, **_: Any) -> dict[str, Any]:
    """Describe this worker: message format, queues, slots, how its pool treats them, processors and Python."""
    controller = state.consumer.controller
    return {
        "version": VERSION,
        "queues": [queue.name for queue in state.consumer.task_consumer.queues],
        "pool": controller.pool_cls.__module__.rpartition(".")[2],
        "autoscale": bool(controller.autoscale),
        "max_tasks_per_child": controller.max_tasks_per_child,
        "max_memory_per_child": controller.max_memory_per_child,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "slots": state.consumer.pool.num_processes,
        "usable_cpus": cpu_share(),
        "python": platform.python_version(),
        "clock": clock_identity(),
        "payload_dir": settings().payload_dir,
        "events": _sends_task_events(state),
    }


@inspect_command(name="breakeven_clock")
def clock(state: Any, **_: Any) -> dict[str, float]:
    """Return this machine's monotonic time in seconds: the clock of every time this worker reports."""
    return {"monotonic_s": time.monotonic()}


@inspect_command(name="breakeven_present")
def present(state: Any, **_: Any) -> dict[str, Any]:
    """Return this worker's process, its slots' processes, and the tasks that it has not finished.

    Celery checks a slot process when the pipe to it closes, a moment before the process ends. If the process still runs
    at that moment, Celery notices its end up to five seconds later; `maintain_pool` replaces it now.
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
    """Return whether this worker's payload store has `key`, or why it cannot be asked."""
    config = settings()
    try:
        with connect(config.payload_store_url, timeout_s=5.0, tls=config.tls) as client:
            return {"found": bool(client.exists(key)), "error": None}
    except (redis.RedisError, OSError) as error:
        return {"found": False, "error": access_error(error, config) or str(error)}


@control_command(name="breakeven_events", args=[("on", bool)])
def events(state: Any, on: bool, **_: Any) -> dict[str, bool]:
    """Switch task events on or off; return whether this worker sends them now.

    Celery's own `disable_events` has no effect on a worker that was started with `--task-events`. A worker that was
    started with neither those nor heartbeats has no connection for events, and continues to send none.
    """
    dispatcher = state.consumer.event_dispatcher
    if dispatcher is not None:
        dispatcher.groups = set() if on else WithoutTasks({"worker"})
    return {"events": _sends_task_events(state)}


class WithoutTasks(set[str]):
    """The groups of events that a worker sends, to which Flower cannot add tasks, as it tries every 5 s."""

    def add(self, group: str) -> None:
        """Ignore the group."""


def _sends_task_events(state: Any) -> bool:
    dispatcher = state.consumer.event_dispatcher
    if dispatcher is None or not dispatcher.enabled:
        return False
    return not dispatcher.groups or "task" in dispatcher.groups  # no group stands for every group
