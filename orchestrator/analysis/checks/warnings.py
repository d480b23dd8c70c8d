"""What weakens a run's figures, each with what to do about it. A new warning is one function in `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from orchestrator.analysis.checks import machine, tasks, timing
from orchestrator.model import findings, runs

Check: TypeAlias = Callable[[runs.Run], findings.Warning | None]

CHECKS: Final[tuple[Check, ...]] = (
    tasks.incomplete,
    tasks.unsound,
    tasks.disturbed,
    tasks.failed,
    tasks.failed_apart,
    timing.too_few_rounds,
    timing.aa_differs,
    timing.spread,
    timing.drift,
    timing.timer,
    machine.other_load,
    machine.steal,
    machine.throttling,
    machine.frequency,
    machine.eviction_unknown,
    tasks.slots_unseen,
    tasks.clock_bound,
    tasks.hops_beyond_bound,
)

DISTURBANCES: Final[tuple[Check, ...]] = (
    tasks.disturbed,
    timing.drift,
    machine.other_load,
    machine.steal,
    machine.throttling,
    machine.frequency,
)
"""Those of `CHECKS` that tell of what befell a run from outside: another run may have been spared it."""


def warnings(run: runs.Run) -> tuple[findings.Warning, ...]:
    """Every warning that a run gives cause for, in the order of `CHECKS`."""
    return tuple(warning for check in CHECKS if (warning := check(run)) is not None)


def disturbances(run: runs.Run) -> tuple[findings.Warning, ...]:
    """What befell a run from outside, in the order of `DISTURBANCES`."""
    return tuple(warning for check in DISTURBANCES if (warning := check(run)) is not None)
