"""Checks of the machine: what else ran on it, and what slowed it down. They read a run's `loads`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from orchestrator.model.findings import Observation
from orchestrator.model.runs import Run

OTHER_LOAD: Final = 0.10  # share of the CPU time that other processes may take in a round
STEAL: Final = 0.02  # share of the CPU time that the hypervisor may give to other machines in a round
FREQUENCY: Final = 0.10  # how far apart the mean frequencies may lie, as a share of their median


def other_load(run: Run) -> Observation | None:
    """Warn if other processes took CPU time."""
    shares = [load.other for load in run.loads if load.other is not None]
    return _beyond("other load", shares, OTHER_LOAD)


def steal_time(run: Run) -> Observation | None:
    """Warn if the hypervisor gave CPU time of this machine to others."""
    shares = [load.steal for load in run.loads if load.steal is not None]
    return _beyond("steal time", shares, STEAL)


def _beyond(kind: str, shares: Sequence[float], limit: float) -> Observation | None:
    beyond = [share for share in shares if share > limit]
    if not beyond:
        return None
    figures = {"limit": limit, "rounds_beyond": len(beyond), "rounds": len(shares), "most": max(beyond)}
    return Observation(kind, figures)


def throttling(run: Run) -> Observation | None:
    """Warn if a CPU quota of the cgroup slowed the run down."""
    rounds = [load for load in run.loads if load.throttled_s or load.workers_throttled_s]
    if not rounds:
        return None
    figures = {
        "throttled_s": sum(load.throttled_s or 0.0 for load in rounds),
        "workers_throttled_s": sum(load.workers_throttled_s or 0.0 for load in rounds),
        "rounds": len(rounds),
    }
    return Observation("cgroup throttling", figures)


def cpu_frequency(run: Run) -> Observation | None:
    """Warn if the CPU changed its frequency between rounds."""
    means = [load.mhz for load in run.loads if load.mhz is not None]
    if not means or max(means) - min(means) <= FREQUENCY * median(means):
        return None
    return Observation("CPU frequency", {"lowest_mhz": min(means), "highest_mhz": max(means)})


def eviction_unknown(run: Run) -> Observation | None:
    """Warn if a server does not say whether it drops keys when memory is short, as some hosted ones do not."""
    where = run.environment
    servers = {"the broker": where.broker, "the payload store": where.payload_store}
    silent = tuple(name for name, server in servers.items() if server is not None and server.evicts is None)
    return Observation("eviction unknown", {"servers": silent}) if silent else None
