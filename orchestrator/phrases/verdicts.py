"""Verdicts in words: what decides them, or what prevents them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, VERDICT_ROUNDS
from orchestrator.model.findings import (
    Against,
    Estimate,
    Observation,
    OtherLoad,
    Stretch,
    Verdict,
    VerdictWord,
)
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count, evidence, interval, number, percent

DECIDED: Final = ("helps", "hurts", "ties")
LOAD_SAID: Final = 0.1  # share of the CPU time from which a verdict says what other processes took


@dataclass(frozen=True, slots=True)
class VerdictText:
    """Whether Celery's best cell of a stage beats a baseline, as the result file has it.

    `ratio` is Celery's makespan over the baseline's, so below 1 Celery is faster. `rounds_needed` is how many more
    rounds would decide an inconclusive verdict. `bound` is the hop that limits Celery most.
    """

    stage: str
    verdict: VerdictWord
    against: Against
    celery: Cell | None
    versus: Cell | None
    ratio: Estimate | None
    reason: str
    bound: str | None = None
    rounds_needed: int | None = None


def verdict_text(verdict: Verdict) -> VerdictText:
    """Return a verdict with its reason in words."""
    return VerdictText(
        verdict.stage,
        verdict.verdict,
        verdict.against,
        verdict.celery,
        verdict.versus,
        verdict.ratio,
        reason(verdict),
        verdict.bound,
        verdict.rounds_needed,
    )


def reason(verdict: Verdict) -> str:
    """Return the sentence behind a verdict, with the figures that it rests on."""
    if verdict.obstacle is not None:
        return obstacle_sentence(verdict.obstacle)
    assert verdict.ratio and verdict.celery and verdict.versus  # noqa: S101, PT018 - it has no obstacle
    celery, versus = cell_name(verdict.celery, "prose"), cell_name(verdict.versus, "prose")
    compared = f"{celery} {took(verdict.ratio, verdict.rounds, than=versus)}{unlike(verdict)}"
    if verdict.verdict == "ties":
        compared += f": less than {percent(verdict.margin)} apart, so neither is worth choosing for speed"
    elif verdict.lacks is not None:
        compared += f": {lacking(verdict)}"
    return f"{compared}{_loaded(verdict)}"


def lacking(verdict: Verdict) -> str:
    """Return which condition an inconclusive verdict does not meet, and what would."""
    assert verdict.lacks  # noqa: S101 - it is inconclusive
    what, needed = LACKS[verdict.lacks.kind](**verdict.lacks.figures), verdict.rounds_needed
    if verdict.lacks.kind == "too few rounds":
        return f"{what}; {count(needed or 1, 'more round')} would do"
    if verdict.lacks.kind == "changed":
        return f"{what}; run again on a quieter machine"
    if needed is None:
        return f"{what}, and no reasonable number of rounds would decide it"
    return f"{what}; about {count(needed, 'more round')} would decide it in 8 of 10 cases"


def _lacks_steadiness(ratio: Estimate, margin: float, excess: float, changes: Sequence[Stretch]) -> str:
    first, second, *others = (
        f"{number(each.ratio)} in rounds {each.first + 1} to {each.last + 1}" for each in changes
    )
    if not others:
        return f"the ratio changed during the run, from {first} to {second}"
    low, high = (number(end(each.ratio for each in changes)) for end in (min, max))
    return f"the ratio changed {len(others) + 1} times during the run, between {low} and {high}"


ROUNDS_RULE: Final = f"an interval needs {FEWEST_ROUNDS} rounds and a verdict {VERDICT_ROUNDS}"

LACKS: Final[Mapping[str, Callable[..., str]]] = {
    "too few rounds": lambda rounds, needed: ROUNDS_RULE,
    "too wide": lambda ratio, margin, excess, changes: (
        f"the interval is {number(1 + excess, 2)} times as wide as a verdict allows"
    ),
    "too wide for a tie": lambda ratio, margin, excess, changes: (
        f"less than {percent(margin)} apart so far, but the interval is {number(1 + excess, 2)} times as wide as a tie "
        "allows"
    ),
    "changed": _lacks_steadiness,
}


def short_reason(verdict: Verdict) -> str:
    """Return the figure of a decided verdict for a line below Celery's cell; otherwise the reason in full."""
    if verdict.verdict not in DECIDED or verdict.ratio is None or verdict.versus is None:
        return reason(verdict)
    ratio = verdict.ratio
    shown = ratio.inverse if ratio.point < 1 else ratio
    within = interval(shown, to=" to ")
    return (
        f"{number(shown.point)} times as {'fast' if ratio.point < 1 else 'long'} as "
        f"{cell_name(verdict.versus, 'prose')}{f' ({within})' if within else ''}{unlike(verdict)}{_loaded(verdict)}"
    )


def load_sentence(load: OtherLoad) -> str:
    """Return under what other load a run was measured."""
    most = f", up to {percent(load.most)} in a round" if load.most > load.usual else ""
    return f"Measured while other processes took {percent(load.usual)} of the CPU time{most}."


def smallest_sentence(share: float, stages: int) -> str:
    """Return the smallest difference that a run could have found, in every one of its stages."""
    size = percent(share) if share < 1 else f"{number(1 + share, 2)} times"
    where = " in every stage" if stages > 1 else ""
    return f"A difference of {size} would have been found{where}, in 8 of 10 such runs."


def _loaded(verdict: Verdict) -> str:
    if verdict.load is None or verdict.load.usual <= LOAD_SAID:
        return ""
    return f"; measured while other processes took {percent(verdict.load.usual)} of the CPU time"


def unlike(verdict: Verdict) -> str:
    """Return how the processors of a slot differ between the sides; empty if they do not."""
    if verdict.shares is None:
        return ""
    there, here = verdict.shares
    return f"; the sides are unlike: a worker's slot has {there:.2g} of a processor, a slot here {here:.2g}"


def took(ratio: Estimate, rounds: int, than: str) -> str:
    """Return how times compare, from a ratio of times: `took 1.84 times as long as X (...)`."""
    if ratio.point < 1:
        return f"was {number(1 / ratio.point)} times as fast as {than} ({evidence(ratio.inverse, rounds)})"
    return f"took {number(ratio.point)} times as long as {than} ({evidence(ratio, rounds)})"


def obstacle_sentence(obstacle: Observation) -> str:
    """Return why two sides cannot be compared."""
    return OBSTACLES[obstacle.kind](**obstacle.figures)


def _incorrect(cell: Cell, wrong: int, lost: int, duplicated: int) -> str:
    faults = {
        f"gave {count(wrong, 'output')} that differ from the reference's": wrong,
        f"lost {count(lost, 'task')}": lost,
        f"ended {count(duplicated, 'task')} more than once": duplicated,
    }
    what = " and ".join(text for text, quantity in faults.items() if quantity)
    return f"{cell_name(cell, 'prose')} {what}, so its time does not count"


def _no_round_in_common(cell: Cell, other: Cell) -> str:
    cells = f"{cell_name(cell, 'prose')} and {cell_name(other, 'prose')}"
    return f"{cells} have no round in common; run again, and let it end"


OBSTACLES: Final[Mapping[str, Callable[..., str]]] = {
    "incorrect": _incorrect,
    "nothing completed": lambda cell: (
        f"{cell_name(cell, 'prose')} completed no task, so its time does not count"
    ),
    "unequal failures": lambda round_, cell, other, failed, failed_by_other: (
        f"{cell_name(cell, 'prose')} failed {count(failed, 'task')} of round {round_ + 1} and "
        f"{cell_name(other, 'prose')} {failed_by_other}, so they did not do the same work"
    ),
    "no round in common": _no_round_in_common,
    "all disturbed": lambda cell, cause: (
        f"Every sample of {cell_name(cell, 'prose')} was disturbed, first by: {cause}; run again"
    ),
    "unmeasured": lambda stage, side: (
        f"No {side} cell of {stage} was measured; let the run end, or find out why it could not"
    ),
}
