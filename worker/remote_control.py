"""What a worker tells of itself when asked over Celery's remote control."""

from __future__ import annotations

import os
import platform
import socket
import time
from typing import Any

from celery.worker.control import inspect_command

from worker.clock import clock_identity
from worker.messages import VERSION
from worker.settings import settings


def usable_cpus() -> int:
    """Processors this process may run on, counting a cgroup's quota where there is one."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 - read in a hot path
            quota, period = file.read().split()
    except (OSError, ValueError):
        return affinity
    return affinity if quota == "max" else max(1, min(affinity, round(int(quota) / int(period))))


@inspect_command(name="breakeven_describe")
def describe(state: Any, **_: Any) -> dict[str, Any]:
    """Who this worker is: release of the message format, slots, processors and Python."""
    pool = state.consumer.pool
    return {
        "version": VERSION,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "slots": pool.num_processes,
        "usable_cpus": usable_cpus(),
        "python": platform.python_version(),
        "clock": clock_identity(),
        "payload_dir": settings().payload_dir,
        "events": bool(state.consumer.event_dispatcher and state.consumer.event_dispatcher.enabled),
    }


@inspect_command(name="breakeven_clock")
def clock(state: Any, **_: Any) -> dict[str, float]:
    """This machine's monotonic clock, in seconds: the clock of every time this worker reports."""
    return {"monotonic_s": time.monotonic()}
