"""How long threads and processes computed, and how long they were ready but waited for a processor (Linux).

On a machine that everything shares, wall time includes such waits, which another number of slots changes.
Source: Documentation/scheduler/sched-stats.rst of the Linux kernel (`/proc/<pid>/schedstat`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_opened: Any = threading.local()  # the file of each thread, which stands for the thread that opened it


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds since the processes began."""

    cpu_s: float
    wait_s: float  # for which they were ready but waited for a processor


def processor_wait_s() -> float | None:
    """Return for how long this thread has waited for a processor; `None` if the system does not count it."""
    try:
        if not hasattr(_opened, "file"):
            _opened.file = open("/proc/thread-self/schedstat", "rb", buffering=0)  # noqa: SIM115, PTH123 - kept open
        return int(os.pread(_opened.file.fileno(), 64, 0).split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def of_workers(pids: Sequence[int]) -> ProcessorTime | None:
    """Return the processor time of workers with their pool processes; `None` if the system does not count it."""
    try:
        pools = " ".join(Path(f"/proc/{pid}/task/{pid}/children").read_text() for pid in pids)
        times = [_threads(pid) for pid in (*pids, *map(int, pools.split()))]
    except (OSError, ValueError):
        return None
    return ProcessorTime(sum(cpu_s for cpu_s, _ in times), sum(wait_s for _, wait_s in times))


def _threads(pid: int) -> tuple[float, float]:
    """Seconds that a process's threads computed and waited for a processor."""
    times = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(each[0]) for each in times) / 1e9, sum(int(each[1]) for each in times) / 1e9
