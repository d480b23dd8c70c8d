"""Whether Celery's best cell of a stage beats the best in-process cell, and the best serial one.

Different means significant AND large enough AND enough data, as asv and pyperf have it; docs/explanation/verdicts.md
goes through every position of an interval. `picking` sees to it that the best of many has no advantage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, log
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.hops import bound
from orchestrator.analysis.stats.intervals import CLEARANCE, FEWEST_ROUNDS, beyond_one, paired
from orchestrator.analysis.verdicts.comparability import why_not
from orchestrator.analysis.verdicts.selection import Selection, compare_best, select_best
from orchestrator.model.findings import Estimate, Verdict, VerdictWord
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count, percent
from orchestrator.phrases.verdicts import took

Against: TypeAlias = Literal["best in-process", "serial"]

BASELINES: Final[dict[Against, Callable[[Cell], bool]]] = {
    "best in-process": lambda cell: not cell.distributed,
    "serial": lambda cell: cell.strategy == "serial",
}

MOST_ROUNDS: Final = 1000
"""Where more rounds than this would be needed, rounds are not what decides."""


def verdicts(run: Run) -> tuple[Verdict, ...]:
    """Every stage's verdicts, in the plan's order.

    A stage for which no Celery cell, or nothing to hold it against, was asked for has none.
    """
    judged = []
    planned = (*run.plan.cells, *(result.cell for result in run.cells))
    for stage in dict.fromkeys(cell.stage for cell in planned):
        asked = [cell for cell in planned if cell.stage == stage]
        for against, is_baseline in BASELINES.items():
            if any(cell.distributed for cell in asked) and any(map(is_baseline, asked)):
                celery = contestants(run.of_stage(stage), lambda cell: cell.distributed)
                versus = contestants(run.of_stage(stage), is_baseline)
                judged.append(
                    _disturbed(stage, against, run, is_baseline)
                    or judge(stage, against, celery, versus, run.plan.margin)
                )
    return tuple(judged)


def contestants(results: Iterable[CellResult], belongs: Callable[[Cell], bool]) -> tuple[CellResult, ...]:
    """The cells of one side: without the A/A pair's second, and with local data where there are such.

    Cells with resident data skip a part of the work on the clock, so they stand for a side only where
    nothing else does.
    """
    able = [
        result for result in results if belongs(result.cell) and result.samples and not result.cell.replica
    ]
    return tuple([result for result in able if result.cell.data != "resident"] or able)


def judge(
    stage: str,
    against: Against,
    celery: Sequence[CellResult],
    versus: Sequence[CellResult],
    margin: float,
) -> Verdict:
    """The verdict on one side's best against the other's, in the rounds that have both."""
    ours, theirs = select_best(celery), select_best(versus)
    if ours is None or theirs is None:
        return _unmeasured(stage, against, ours, theirs)
    unsound = why_not(ours, theirs)
    estimate = None if unsound else compare_best(ours, theirs)
    rounds = len(paired(ours.best.makespans_s, theirs.best.makespans_s))
    judged = len(paired(ours.by_round, theirs.by_round))
    word = "invalid" if unsound else classify(estimate, margin)
    needed = rounds_needed(estimate, min(rounds, judged), margin) if word == "inconclusive" else None
    names = cell_name(ours.best.cell, "prose"), cell_name(theirs.best.cell, "prose")
    return Verdict(
        stage,
        word,
        against,
        ours.best.cell,
        theirs.best.cell,
        ratio=estimate,
        reason=unsound or _reason(word, estimate, rounds, needed, margin, *names),
        bound=bound(ours.best),
        rounds_needed=needed,
    )


def classify(ratio: Estimate | None, margin: float) -> VerdictWord:
    """What a ratio of Celery's time to a baseline's says, for a practical margin such as 0.05.

    Faster or slower: the interval stays clear of 1 (`estimates.beyond_one`) and the point lies beyond the
    margin. A tie: the whole interval lies within the margin, 1 / (1 + margin) to 1 + margin. Anything else is
    inconclusive.
    """
    if ratio is None or ratio.low is None or ratio.high is None:
        return "inconclusive"
    if side := beyond_one(ratio, margin):
        return "helps" if side < 0 else "hurts"
    if ratio.low >= 1 / (1 + margin) and ratio.high <= 1 + margin:
        return "ties"
    return "inconclusive"


def rounds_needed(ratio: Estimate | None, rounds: int, margin: float) -> int | None:
    """How many more rounds would decide, if the point stays and the interval narrows as 1 / sqrt(rounds).

    To call a difference the half width and the clearance beyond it must fall below the point's distance from
    1, to call a tie the half width below its distance from the margin, on the logarithmic scale. `None`
    where that takes more than `MOST_ROUNDS`: then the truth lies too near the margin, or the times are too
    unsteady.
    """
    if ratio is None or ratio.low is None or ratio.high is None:
        return max(1, FEWEST_ROUNDS - rounds)
    half_width = log(ratio.high / ratio.low) / 2
    distance, limit = abs(log(ratio.point)), log(1 + margin)
    to_reach = distance / (1 + 2 * CLEARANCE) if distance > limit else limit - distance
    if to_reach <= 0 or rounds * (half_width / to_reach) ** 2 > MOST_ROUNDS:
        return None
    return max(1, ceil(rounds * (half_width / to_reach) ** 2) - rounds)


def _disturbed(stage: str, against: Against, run: Run, is_baseline: Callable[[Cell], bool]) -> Verdict | None:
    """The verdict where a side has samples and none that stands for a time; `None` where both have one."""
    sides: tuple[Callable[[Cell], bool], ...] = (lambda cell: cell.distributed, is_baseline)
    for belongs in sides:
        taken = [each for each in run.of_stage(stage) if belongs(each.cell) and each.taken]
        if taken and not any(each.samples for each in taken):
            why = taken[0].disturbed[0].disturbed
            reason = f"Every sample of {cell_name(taken[0].cell, 'prose')} was disturbed, first by: {why}; run again"
            return Verdict(stage, "invalid", against, None, None, ratio=None, reason=reason)
    return None


def _unmeasured(stage: str, against: Against, ours: Selection | None, theirs: Selection | None) -> Verdict:
    missing = "Celery" if ours is None else against
    return Verdict(
        stage,
        "inconclusive",
        against,
        celery=ours.best.cell if ours else None,
        versus=theirs.best.cell if theirs else None,
        ratio=None,
        reason=f"No {missing} cell of {stage} was measured; let the run end, or see why it could not",
        rounds_needed=FEWEST_ROUNDS,
    )


def _reason(
    word: VerdictWord,
    ratio: Estimate | None,
    rounds: int,
    needed: int | None,
    margin: float,
    celery: str,
    versus: str,
) -> str:
    if ratio is None:
        return f"{celery} and {versus} have no round in common; run again, and let it end"
    compared = took(ratio, rounds, than=versus)
    if word == "ties":
        return (
            f"{celery} {compared}: less than {percent(margin)} apart, so neither is worth choosing for speed"
        )
    if word != "inconclusive":
        return f"{celery} {compared}"
    if ratio.level is None:
        return (
            f"{celery} {compared}: too few for an interval, {count(needed or 1, 'more round')} would give one"
        )
    if needed is None:
        return (
            f"{celery} {compared}: so unsteady, or so close to the margin of {percent(margin)}, "
            "that more rounds would not decide"
        )
    return f"{celery} {compared}: too wide to decide, about {count(needed, 'more round')} would"
