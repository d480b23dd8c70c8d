"""How long threads and processes computed, and how long they were ready but waited for a processor (Linux).

On a machine that everything shares, wall time includes such waits, which another number of slots changes.
Source: Documentation/scheduler/sched-stats.rst of the Linux kernel (`/proc/<pid>/schedstat`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_opened: Any = threading.local()  # the file of each thread, which stands for the thread that opened it


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds of a thread since it began, or of several between two moments."""

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


def of_processes(pids: Sequence[int]) -> dict[int, ProcessorTime] | None:
    """Return the time of each thread of processes and of their children, such as a worker's pool, by its id.

    `None` if the system does not count it, or a process ends meanwhile.
    """
    found: dict[int, ProcessorTime] = {}
    try:
        children = " ".join(Path(f"/proc/{pid}/task/{pid}/children").read_text() for pid in pids)
        for pid in (*pids, *map(int, children.split())):
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                cpu, wait, *_ = map(int, path.read_text().split())
                found[int(path.parent.name)] = ProcessorTime(cpu / 1e9, wait / 1e9)
    except (OSError, ValueError):
        return None
    return found


def between(
    before: Mapping[int, ProcessorTime] | None, after: Mapping[int, ProcessorTime] | None
) -> ProcessorTime | None:
    """Return what threads did that were there both times: a pool process that was replaced is left out."""
    if before is None or after is None:
        return None
    pairs = [(before[thread], after[thread]) for thread in before.keys() & after.keys()]
    return ProcessorTime(
        sum(now.cpu_s - then.cpu_s for then, now in pairs),
        sum(now.wait_s - then.wait_s for then, now in pairs),
    )
