"""The CPU limits of this process's control group, and of every group above it that can be seen (man 7 cgroups)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

MOUNTED: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")  # a line `number:controllers:path` for each hierarchy


def cpu_quota(mounted: Path = MOUNTED, membership: Path = MEMBERSHIP) -> float | None:
    """Return the processors that the tightest limit allows, such as 0.25; `None` if there is no limit."""
    found = []
    for folder in cpu_groups(mounted, membership):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):  # versions 2 and 1
            try:
                quota, period = " ".join(
                    (folder / name).read_text(encoding="ascii") for name in names
                ).split()
                found += [] if quota in ("max", "-1") else [int(quota) / int(period)]
            except (OSError, ValueError, ZeroDivisionError):
                continue
    return min(found, default=None)


def throttled_s(mounted: Path = MOUNTED, membership: Path = MEMBERSHIP) -> float | None:
    """Return for how many seconds these limits have stopped processes; `None` if the system does not count."""
    total: float | None = None
    for folder in cpu_groups(mounted, membership):
        try:
            counters = dict(
                line.split() for line in (folder / "cpu.stat").read_text(encoding="ascii").splitlines()
            )
        except (OSError, ValueError):
            continue
        for name, unit_s in (("throttled_usec", 1e-6), ("throttled_time", 1e-9)):  # versions 2 and 1
            if name in counters:
                total = (total or 0.0) + int(counters[name]) * unit_s
    return total


def cpu_groups(mounted: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of this process's group and those above it, in each hierarchy that may limit processors."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    paths = {
        controllers: path
        for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1)
    }
    own_v2 = paths.get("", "/")
    own_v1 = next((path for controllers, path in paths.items() if "cpu" in controllers.split(",")), "/")
    hierarchies = ((mounted, own_v2), (mounted / "unified", own_v2), (mounted / "cpu", own_v1))
    for top, own in ((top, own) for top, own in hierarchies if top.is_dir()):
        # A container may see its own group at the top, and in `membership` still the path from the host's root.
        parts = own.strip("/").split("/")
        seen = (top.joinpath(*parts[start:]) for start in range(len(parts) + 1))
        folder = next(candidate for candidate in seen if candidate.is_dir())
        yield folder
        while folder != top:
            folder = folder.parent
            yield folder
