"""Whose clock a monotonic time was read from."""

from __future__ import annotations

from pathlib import Path


def clock_identity() -> str | None:
    """A name for this machine's monotonic clock: two processes that give the same one read the same clock.

    Linux counts CLOCK_MONOTONIC from the kernel's start, for all containers alike unless a time namespace
    shifts it (`man 7 time_namespaces`). `None` where the system does not say.
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
