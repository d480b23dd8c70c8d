"""What weakens a run's figures. A new warning is one function in `CHECKS` and its sentence in `phrases.warnings`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from orchestrator.analysis.checks import machine, open_loops, tasks, timing
from orchestrator.model.findings import Observation
from orchestrator.model.runs import Run

Check: TypeAlias = Callable[[Run], Observation | None]

CHECKS: Final[tuple[Check, ...]] = (
    tasks.incomplete,
    tasks.unsound,
    tasks.disturbed,
    open_loops.disturbed_loops,
    open_loops.late_generator,
    tasks.failed_tasks,
    tasks.not_compared,
    timing.too_few_rounds,
    timing.aa_differs,
    timing.spread,
    timing.dependent_rounds,
    timing.stepped,
    timing.drift,
    timing.timer,
    machine.other_load,
    machine.steal_time,
    machine.throttling,
    machine.cpu_frequency,
    machine.eviction_unknown,
    tasks.slots_unseen,
    tasks.clock_bound,
    tasks.hops_beyond_bound,
)

# Those that may have come from outside the run, so that another run may not have them.
DISTURBANCES: Final[tuple[Check, ...]] = (
    tasks.disturbed,
    open_loops.disturbed_loops,
    timing.stepped,
    timing.drift,
    machine.other_load,
    machine.steal_time,
    machine.throttling,
    machine.cpu_frequency,
)


def warnings(run: Run, checks: Iterable[Check] = CHECKS) -> tuple[Observation, ...]:
    """Return the warnings that a run gives cause for, in the order of the checks."""
    return tuple(warning for check in checks if (warning := check(run)) is not None)
