"""Whether Celery's best cell of a stage beats the best in-process cell, and the best serial one.

A difference must be significant, large enough, and from enough data, as asv and pyperf have it;
docs/explanation/verdicts.md goes through every position of an interval. `selection` makes sure that the best of
many cells has no advantage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import exp, log, log1p
from typing import Final

import numpy as np

from orchestrator.analysis.hops import bound
from orchestrator.analysis.queueing.service_demands import cores_by_machine
from orchestrator.analysis.stats.dependence import stretches
from orchestrator.analysis.stats.intervals import CLEARANCE, VERDICT_ROUNDS, beyond_one, paired
from orchestrator.analysis.stats.power import rounds_to_decide, smallest_difference
from orchestrator.analysis.verdicts.comparability import obstacle
from orchestrator.analysis.verdicts.noise import other_load
from orchestrator.analysis.verdicts.selection import Selection, compare_best, select_best
from orchestrator.model.findings import Against, Estimate, Observation, Stretch, Verdict, VerdictWord
from orchestrator.model.runs import Cell, CellResult, Run

Side = Callable[[Cell], bool]


def is_celery(cell: Cell) -> bool:
    """Return whether a cell belongs to Celery's side."""
    return cell.distributed


BASELINES: Final[dict[Against, Side]] = {
    "best in-process": lambda cell: not cell.distributed,
    "serial": lambda cell: cell.strategy == "serial",
}

TINY: Final = 1e-9  # a distance to the margin, so that it can be divided by


def verdicts(run: Run) -> tuple[Verdict, ...]:
    """Return every stage's verdicts, in the plan's order.

    A stage has none if no Celery cell, or nothing to compare it with, was asked for.
    """
    found = []
    planned = (*run.plan.cells, *(result.cell for result in run.cells))
    for stage in dict.fromkeys(cell.stage for cell in planned):
        asked = [cell for cell in planned if cell.stage == stage]
        for against, is_baseline in BASELINES.items():
            if any(cell.distributed for cell in asked) and any(map(is_baseline, asked)):
                celery = candidates(run.compared(stage), is_celery)
                versus = candidates(run.compared(stage), is_baseline)
                found.append(
                    _disturbed(stage, against, run, is_baseline)
                    or judge(stage, against, celery, versus, run.plan.margin)
                )
    return tuple(replace(each, shares=unlike_shares(run), load=other_load(run)) for each in found)


def unlike_shares(run: Run) -> tuple[float, float] | None:
    """Return the processors that a worker's slot and a slot here have, if a quota makes one of them the smaller."""
    where, slots = run.environment, run.plan.slots
    if not where.workers or where.broker is None or where.broker.embedded:
        return None
    together = sum(cores_by_machine(run)) / slots
    there = min(1.0, together, *(worker.usable_cpus / worker.slots for worker in where.workers))
    here = min(1.0, where.cpu.usable / slots)
    is_limited_here = where.cpu.usable < where.cpu.logical  # more slots than processors are said elsewhere
    return (there, here) if there < here or (there > here and is_limited_here) else None


def candidates(results: Iterable[CellResult], belongs: Side) -> tuple[CellResult, ...]:
    """Return the cells that one side's best is selected from: those with local data, if it has any.

    Cells with resident data do less work on the clock. The second cell of the A/A pair is left out, and so are
    idiomatic cells: a side's best is what an expert would write.
    """
    able = [
        result
        for result in results
        if belongs(result.cell) and result.samples
        if not result.cell.replica and result.cell.style == "tuned"
    ]
    return tuple([result for result in able if result.cell.data != "resident"] or able)


def judge(
    stage: str, against: Against, celery: Sequence[CellResult], versus: Sequence[CellResult], margin: float
) -> Verdict:
    """Return the verdict on one side's best against the other's, in the rounds that have both."""
    ours, theirs = select_best(celery), select_best(versus)
    if ours is None or theirs is None:
        return _unmeasured(stage, against, ours, theirs, margin)
    cells = ours.best.cell, theirs.best.cell
    rounds = len(paired(ours.best.makespans_s, theirs.best.makespans_s))
    prevents = obstacle(ours, theirs)
    if prevents is not None:
        return Verdict(stage, "invalid", against, *cells, None, margin, rounds, prevents, bound(ours.best))
    estimate = compare_best(ours, theirs)
    if estimate is None:
        prevents = Observation("no round in common", {"cell": cells[0], "other": cells[1]})
        return Verdict(
            stage,
            "inconclusive",
            against,
            *cells,
            None,
            margin,
            0,
            prevents,
            bound(ours.best),
            VERDICT_ROUNDS,
        )
    changes = changed(ours.makespans_s, theirs.makespans_s)
    judged = min(rounds, 1 + len(paired(ours.by_round, theirs.by_round)))  # choosing takes one round
    word = classify(estimate, margin) if judged >= VERDICT_ROUNDS else "inconclusive"
    lacks = what_lacks(estimate, judged, margin, changes) if word == "inconclusive" else None
    needed = rounds_needed(estimate, judged, margin) if word == "inconclusive" else None
    return Verdict(
        stage,
        word,
        against,
        *cells,
        estimate,
        margin,
        rounds,
        bound=bound(ours.best),
        rounds_needed=needed,
        lacks=lacks,
        smallest=smallest_difference(estimate, margin),
        stretches=changes,
    )


def classify(ratio: Estimate | None, margin: float) -> VerdictWord:
    """Return what a ratio of Celery's time to a baseline's means.

    Celery helps or hurts if the interval stays clear of 1 (`intervals.beyond_one`) and the point lies beyond the
    margin. It ties if the whole interval lies within the margin, 1 / (1 + margin) to 1 + margin.
    """
    if ratio is None or ratio.low is None or ratio.high is None:
        return "inconclusive"
    if side := beyond_one(ratio, margin):
        return "helps" if side < 0 else "hurts"
    if ratio.low >= 1 / (1 + margin) and ratio.high <= 1 + margin:
        return "ties"
    return "inconclusive"


def changed(ours: Mapping[int, float], theirs: Mapping[int, float]) -> tuple[Stretch, ...]:
    """Return the stretches of a ratio that changed during the run; nothing if it did not."""
    rounds = paired(ours, theirs)
    logs = np.array([log(ours[each] / theirs[each]) for each in rounds])
    parts = stretches(logs)
    if len(parts) < 2:
        return ()
    return tuple(
        Stretch(rounds[part.start], rounds[part.stop - 1], exp(float(np.median(logs[part]))))
        for part in parts
    )


def what_lacks(ratio: Estimate, rounds: int, margin: float, changes: Sequence[Stretch]) -> Observation:
    """Return which condition an inconclusive ratio does not meet.

    `excess` is how much too wide the interval is, as a share: so much narrower about the same point, it would decide.
    """
    if rounds < VERDICT_ROUNDS or ratio.low is None or ratio.high is None:
        return Observation("too few rounds", {"rounds": rounds, "needed": VERDICT_ROUNDS})
    point, low, high, limit = log(ratio.point), log(ratio.low), log(ratio.high), log1p(margin)
    tie = abs(point) <= limit
    if tie:
        used = max((high - point) / max(limit - point, TINY), (point - low) / max(limit + point, TINY))
    else:
        near = point - low if point > 0 else high - point
        used = (near + CLEARANCE * (high - low)) / abs(point)
    kind = "changed" if changes else "too wide for a tie" if tie else "too wide"
    return Observation(
        kind, {"ratio": ratio, "margin": margin, "excess": used - 1, "changes": tuple(changes)}
    )


def rounds_needed(ratio: Estimate, rounds: int, margin: float) -> int | None:
    """Return how many more rounds would decide; `None` if more rounds are not what is needed.

    At fewer than `VERDICT_ROUNDS` it is what lacks to those; after them, `power.rounds_to_decide`.
    """
    if rounds < VERDICT_ROUNDS or ratio.low is None:
        return max(1, VERDICT_ROUNDS - rounds)
    return rounds_to_decide(ratio, rounds, margin)


def _disturbed(stage: str, against: Against, run: Run, is_baseline: Side) -> Verdict | None:
    """Return the verdict if every sample of a side was disturbed; `None` if both have an undisturbed one."""
    for belongs in (is_celery, is_baseline):
        taken = [each for each in run.compared(stage) if belongs(each.cell) and each.taken]
        if taken and not any(each.samples for each in taken):
            figures = {"cell": taken[0].cell, "cause": taken[0].disturbed[0].disturbed}
            prevents = Observation("all disturbed", figures)
            return Verdict(stage, "invalid", against, None, None, None, run.plan.margin, obstacle=prevents)
    return None


def _unmeasured(
    stage: str, against: Against, ours: Selection | None, theirs: Selection | None, margin: float
) -> Verdict:
    celery, versus = ours.best.cell if ours else None, theirs.best.cell if theirs else None
    prevents = Observation("unmeasured", {"stage": stage, "side": "Celery" if ours is None else against})
    return Verdict(
        stage, "inconclusive", against, celery, versus, None, margin, 0, prevents, None, VERDICT_ROUNDS
    )
