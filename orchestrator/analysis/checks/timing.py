"""Checks of times: too few, known too roughly, dependent, changing, too short, or unequal to themselves."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, log1p, sqrt
from statistics import median
from typing import Final

from orchestrator.analysis.stats import exact_tests
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, VERDICT_ROUNDS, half_width, makespan
from orchestrator.analysis.verdicts.comparability import noise_floor
from orchestrator.analysis.verdicts.noise import dependence, step_change
from orchestrator.analysis.verdicts.selection import round_levels
from orchestrator.analysis.verdicts.verdict import verdicts
from orchestrator.model.findings import Observation
from orchestrator.model.runs import Cell, Run

TOO_WIDE: Final = ("too wide", "too wide for a tie")  # what an undecided verdict lacks, for noise alone
ROUGH: Final = 0.10  # relative half width of a makespan's interval that tells little
DEPENDENT: Final = 1 / 3  # correlation of neighbouring rounds at which half of the rounds count
CHANCE: Final = 1.645  # standard errors that one correlation in twenty exceeds by chance
DRIFT_CHANCE: Final = 0.05  # a trend less probable than this by chance is called a drift
TIMER_TICKS: Final = 1000  # a makespan of fewer ticks of the clock is not measured to a thousandth


def too_few_rounds(run: Run) -> Observation | None:
    """Warn if there are not enough rounds for a verdict."""
    rounds = [len(result.makespans_s) for result in run.cells if result.samples]
    if not rounds or min(rounds) >= VERDICT_ROUNDS:
        return None
    return Observation("too few rounds", {"rounds": min(rounds)})


def aa_differs(run: Run) -> Observation | None:
    """Warn if the same cell, measured twice, differs from itself by more than the margin."""
    floor = noise_floor(run)
    if floor is None or abs(log(floor.point)) <= log1p(run.plan.margin):
        return None
    rounds = max((len(result.samples) for result in run.cells if result.cell.replica), default=0)
    return Observation("A/A differs", {"ratio": floor, "rounds": rounds, "margin": run.plan.margin})


def spread(run: Run) -> Observation | None:
    """Warn of intervals that are too wide to decide a verdict; without verdicts, of makespans known too roughly."""
    judged = [each for each in verdicts(run) if each.smallest is not None] if run.plan.axis is None else []
    reaches: dict[tuple[Cell, str], float] = {
        (each.celery, each.against): half_width(each.ratio)
        for each in judged
        if each.celery is not None and each.lacks is not None and each.lacks.kind in TOO_WIDE
    }
    limit, of = run.plan.margin, len(judged)
    if not judged and run.plan.axis is None:
        known = [(result.cell, makespan(result)) for result in run.cells]
        found = {(cell, ""): half_width(each) for cell, each in known if each is not None and each.level}
        limit, of, reaches = ROUGH, len(found), {key: each for key, each in found.items() if each > ROUGH}
    if not reaches:
        return None
    (widest, _), reach = max(reaches.items(), key=lambda each: each[1])
    figures = {"wide": len(reaches), "of": of, "limit": limit, "widest": widest, "reach": reach}
    return Observation("spread", {"verdicts": bool(judged), **figures})


def dependent_rounds(run: Run) -> Observation | None:
    """Warn if rounds depend on each other so much that at most half of them count."""
    found = dependence(run)
    if found is None or found.correlation <= max(DEPENDENT, CHANCE / sqrt(found.rounds)):
        return None
    figures = {"correlation": found.correlation, "rounds": found.rounds, "effective": found.effective}
    return Observation("dependent rounds", figures)


def stepped(run: Run) -> Observation | None:
    """Warn if from one round on everything took longer, or less long."""
    found = step_change(run)
    return (
        None if found is None else Observation("step change", {"round_": found.round, "factor": found.factor})
    )


def drift(run: Run) -> Observation | None:
    """Warn if the rounds became slower or faster over the run, all cells together, and not in one step.

    Mann and Kendall's trend test on the rounds' levels, exact; and a change, by Theil and Sen's slope,
    beyond the margin. Sources: Mann, Econometrica 13, 1945; Sen, J. Am. Stat. Assoc. 63, 1968.
    """
    levels = round_levels([result for result in run.cells if result.samples])
    if len(levels) < FEWEST_ROUNDS or _trend_chance(list(levels.values())) > DRIFT_CHANCE:
        return None
    if step_change(run) is not None:
        return None
    rounds = list(levels)
    slopes = [
        (levels[later] - levels[earlier]) / (later - earlier)
        for index, earlier in enumerate(rounds)
        for later in rounds[index + 1 :]
    ]
    change = median(slopes) * (rounds[-1] - rounds[0])
    if abs(change) <= log1p(run.plan.margin):
        return None
    return Observation("drift", {"change": exp(change) - 1})


def timer(run: Run) -> Observation | None:
    """Warn if a makespan is too short for the clock that measured it."""
    if run.preflight is None:
        return None
    tick_s = run.preflight.timer_resolution_s
    shortest = {result.cell: min(result.makespans_s.values()) for result in run.cells if result.samples}
    for cell, makespan_s in shortest.items():
        if makespan_s < TIMER_TICKS * tick_s:
            figures = {"cell": cell, "makespan_s": makespan_s, "tick_s": tick_s, "ticks": TIMER_TICKS}
            return Observation("timer", figures)
    return None


def _trend_chance(values: Sequence[float]) -> float:
    """Return the probability of a trend this strong by chance: Kendall's test, two-sided, ties as half a pair."""
    pairs = [(one, other) for index, one in enumerate(values) for other in values[index + 1 :]]
    discordant = sum(1.0 if other < one else 0.5 if other == one else 0.0 for one, other in pairs)
    fewer = min(discordant, len(pairs) - discordant)
    return min(1.0, 2 * float(exact_tests.kendall(len(values))[int(fewer + 0.5)]))
