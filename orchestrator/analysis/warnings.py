"""What weakens a run's figures, each with what to do about it. A new warning is one function in `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from orchestrator.analysis import machine_checks, task_checks, time_checks
from orchestrator.model import findings, runs

Check: TypeAlias = Callable[[runs.Run], findings.Warning | None]

CHECKS: Final[tuple[Check, ...]] = (
    task_checks.incomplete,
    task_checks.unsound,
    task_checks.disturbed,
    task_checks.failed,
    task_checks.failed_apart,
    time_checks.too_few_rounds,
    time_checks.aa_differs,
    time_checks.spread,
    time_checks.drift,
    time_checks.timer,
    machine_checks.other_load,
    machine_checks.steal,
    machine_checks.throttling,
    machine_checks.frequency,
    machine_checks.eviction_unknown,
    task_checks.slots_unseen,
    task_checks.clock_bound,
    task_checks.hops_beyond_bound,
)

DISTURBANCES: Final[tuple[Check, ...]] = (
    task_checks.disturbed,
    time_checks.drift,
    machine_checks.other_load,
    machine_checks.steal,
    machine_checks.throttling,
    machine_checks.frequency,
)
"""Those of `CHECKS` that tell of what befell a run from outside: another run may have been spared it."""


def warnings(run: runs.Run) -> tuple[findings.Warning, ...]:
    """Every warning that a run gives cause for, in the order of `CHECKS`."""
    return tuple(warning for check in CHECKS if (warning := check(run)) is not None)


def disturbances(run: runs.Run) -> tuple[findings.Warning, ...]:
    """What befell a run from outside, in the order of `DISTURBANCES`."""
    return tuple(warning for check in DISTURBANCES if (warning := check(run)) is not None)
