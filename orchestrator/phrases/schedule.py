"""What a run will measure and about how long that takes."""

from __future__ import annotations

from math import ceil

from orchestrator.analysis.stats.intervals import VERDICT_ROUNDS
from orchestrator.model.runs import Plan
from orchestrator.phrases.cells import unit
from orchestrator.phrases.numbers import count, percent


def schedule_sentence(plan: Plan, found: Plan, about_s: float, verdict_s: float | None) -> str:
    """Return what will be measured, how long it takes, and what the budget leaves out.

    Args:
        plan: as it was asked for.
        found: as the budget allows it.
        about_s: how long that takes, in seconds.
        verdict_s: the budget that a verdict needs, in seconds; `None` if there are enough rounds.
    """
    rounds = count(found.rounds, "round")
    if plan.target is not None:
        rounds = f"up to {rounds}, until intervals are within {percent(plan.target)}"
    what = f"measuring {count(len(plan.cells), 'row')} of {count(found.images, unit(plan))} in {rounds}: "
    what += f"about {about(about_s)}{' at most' if plan.target is not None else ''}"
    return "; ".join([what, *_left_out(plan, found, about_s, verdict_s)])


def _left_out(plan: Plan, found: Plan, about_s: float, verdict_s: float | None) -> list[str]:
    if plan.budget_s is None:
        return []
    said = []
    if found.images < plan.images:
        said.append(f"--budget {plan.budget_s:g} allows {found.images} of {count(plan.images, unit(plan))}")
    if verdict_s is not None:
        enough = 10 * ceil(verdict_s / 10)
        said.append(
            f"too few rounds for a verdict, which needs {VERDICT_ROUNDS}: --budget {enough} allows them"
        )
    elif about_s > plan.budget_s:
        said.append(
            f"that is more than {about(plan.budget_s)}, because a verdict needs {VERDICT_ROUNDS} rounds"
        )
    elif found.rounds < plan.rounds:
        said.append(f"--budget {plan.budget_s:g} allows {found.rounds} of {plan.rounds} rounds")
    return said


def about(seconds: float) -> str:
    """Return a duration as one would say it: `35 s`, `4 min`."""
    return f"{ceil(seconds)} s" if seconds < 100 else f"{ceil(seconds / 60)} min"
