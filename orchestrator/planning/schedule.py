"""How many rounds of how many images fit into a budget: settled once, from what the warm-up round took."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.analysis.stats.intervals import VERDICT_ROUNDS
from orchestrator.model.runs import Plan


@dataclass(frozen=True, slots=True)
class Limits:
    """What a budget may change of a plan.

    Args:
        images: the fewest of a batch, `None` where their number is fixed.
        strict: whether the user gave the budget, so that even rounds that a verdict needs are left out for it.
    """

    images: int | None = None
    strict: bool = False


def schedule(plan: Plan, limits: Limits, round_s: float, spent_s: float) -> tuple[Plan, float, float | None]:
    """Fit a plan into its budget: with fewer rounds first, then with fewer images.

    Args:
        plan: as it was asked for.
        limits: what may change of it.
        round_s: seconds that one round takes.
        spent_s: seconds of the budget that are used already.

    Returns:
        The plan, about how many seconds it takes (with a target, at most), and the budget in seconds that would allow
        a verdict, `None` if there are enough rounds.
    """
    if plan.budget_s is None:
        return plan, plan.rounds * round_s, None
    room_s, images = max(0.0, plan.budget_s - spent_s), plan.images
    needed = min(plan.rounds, VERDICT_ROUNDS)
    if needed * round_s > room_s and limits.images is not None:
        fitting = int(images * room_s / (needed * round_s))
        fewer = min(images, max(limits.images, fitting))
        round_s, images = round_s * fewer / images, fewer
    fewest = 1 if limits.strict else needed
    fitting = max(fewest, int(room_s / round_s))
    verdict_s = spent_s + needed * round_s if fitting < needed else None
    if plan.target is not None:  # how many rounds there are is settled as they are measured
        most_s = min(plan.rounds * round_s, max(room_s, fewest * round_s))
        return replace(plan, images=images), most_s, verdict_s
    rounds = min(plan.rounds, fitting)
    return replace(plan, rounds=rounds, images=images), rounds * round_s, verdict_s
