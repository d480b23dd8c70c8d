"""Warnings about the machine: what else ran on it, and what held it back. Read from a run's `loads`."""

from __future__ import annotations

from statistics import median
from typing import Final

from orchestrator.model import findings, runs
from orchestrator.phrases.numbers import count, percent

OTHER_LOAD: Final = 0.10
"""Share of the machine's CPU time that other processes may take in a round."""

STEAL: Final = 0.02
"""Share of the CPU time that a hypervisor may give to other machines in a round."""

FREQUENCY: Final = 0.10
"""How far, as a share of the median, the highest and the lowest mean frequency may lie apart."""


def other_load(run: runs.Run) -> findings.Warning | None:
    """Other processes took CPU time from ours."""
    shares = [load.other for load in run.loads if load.other is not None]
    busy = [share for share in shares if share > OTHER_LOAD]
    if not busy:
        return None
    return findings.Warning(
        "other load",
        f"other processes took more than {percent(OTHER_LOAD)} of the CPU in {len(busy)} of "
        f"{count(len(shares), 'round')}, up to {percent(max(busy))}",
        "close what else runs on this machine, and run again",
    )


def steal(run: runs.Run) -> findings.Warning | None:
    """The hypervisor gave CPU time of this machine to others."""
    shares = [load.steal for load in run.loads if load.steal is not None]
    stolen = [share for share in shares if share > STEAL]
    if not stolen:
        return None
    return findings.Warning(
        "steal time",
        f"the hypervisor took more than {percent(STEAL)} of the CPU in {len(stolen)} of "
        f"{count(len(shares), 'round')}, up to {percent(max(stolen))}",
        "measure on a machine of its own, or at a quieter hour; differences near the margin may not be ours",
    )


def throttling(run: runs.Run) -> findings.Warning | None:
    """A cgroup's quota held our processes back."""
    seconds = [load.throttled_s for load in run.loads if load.throttled_s]
    if not seconds:
        return None
    return findings.Warning(
        "cgroup throttling",
        f"a CPU quota held the run back for {sum(seconds):.2g} s in {count(len(seconds), 'round')}",
        "raise the container's CPU limit (WORKER_CPUS in .env), or use no more slots than it allows",
    )


def frequency(run: runs.Run) -> findings.Warning | None:
    """The CPU changed its frequency between rounds."""
    means = [load.mhz for load in run.loads if load.mhz is not None]
    if not means or max(means) - min(means) <= FREQUENCY * median(means):
        return None
    return findings.Warning(
        "CPU frequency",
        f"the CPU's mean frequency went from {min(means):.0f} to {max(means):.0f} MHz between rounds",
        "set the governor to 'performance' (cpupower frequency-set -g performance), and let the machine cool",
    )


def eviction_unknown(run: runs.Run) -> findings.Warning | None:
    """A server did not tell whether it drops keys when memory is short, as some hosted ones do not."""
    where = run.environment
    servers = {"the broker": where.broker, "the payload store": where.payload_store}
    silent = [what for what, server in servers.items() if server is not None and server.evicts is None]
    if not silent:
        return None
    return findings.Warning(
        "eviction unknown",
        f"{' and '.join(silent)} did not tell the maxmemory-policy: with any but noeviction tasks are lost "
        "without a word",
        "see in the server's configuration that its maxmemory-policy is noeviction",
    )
