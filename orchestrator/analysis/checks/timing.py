"""Checks of times: too few, far apart, drifting, too short for the timer, or unequal to themselves."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, log1p
from statistics import median
from typing import Final

from orchestrator.analysis.stats import exact_tests
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS
from orchestrator.analysis.verdicts.comparability import noise_floor
from orchestrator.analysis.verdicts.selection import round_levels
from orchestrator.model.findings import Observation
from orchestrator.model.runs import CellResult, Run

SPREAD: Final = 0.10  # relative standard deviation from which pyperf calls a benchmark unstable
MAD_TO_DEVIATION: Final = 1.4826  # a normal distribution's standard deviation over its median absolute one
DRIFT_CHANCE: Final = 0.05  # a trend less probable than this by chance is called a drift
TIMER_TICKS: Final = 1000  # a makespan of fewer ticks of the clock is not measured to a thousandth


def too_few_rounds(run: Run) -> Observation | None:
    """Warn if there are not enough rounds for an interval."""
    rounds = [len(result.makespans_s) for result in run.cells if result.samples]
    if not rounds or min(rounds) >= FEWEST_ROUNDS:
        return None
    return Observation("too few rounds", {"rounds": min(rounds), "needed": FEWEST_ROUNDS})


def aa_differs(run: Run) -> Observation | None:
    """Warn if the same cell, measured twice, differs from itself by more than the margin."""
    floor = noise_floor(run)
    if floor is None or abs(log(floor.point)) <= log1p(run.plan.margin):
        return None
    rounds = max((len(result.samples) for result in run.cells if result.cell.replica), default=0)
    return Observation("A/A differs", {"ratio": floor, "rounds": rounds, "margin": run.plan.margin})


def spread(run: Run) -> Observation | None:
    """Warn if a cell's makespans lie too far apart."""
    deviations = {result.cell: _deviation(result) for result in run.cells if len(result.samples) > 1}
    wide = {cell: each for cell, each in deviations.items() if each > SPREAD}
    if not wide:
        return None
    widest = max(wide, key=lambda cell: wide[cell])
    counts = {"wide": len(wide), "cells": len(deviations)}
    return Observation("spread", {**counts, "limit": SPREAD, "widest": widest, "deviation": wide[widest]})


def drift(run: Run) -> Observation | None:
    """Warn if the rounds became slower or faster over the run, all cells together.

    Mann and Kendall's trend test on the rounds' levels, exact; and a change, by Theil and Sen's slope,
    beyond the margin. Sources: Mann, Econometrica 13, 1945; Sen, J. Am. Stat. Assoc. 63, 1968.
    """
    levels = round_levels([result for result in run.cells if result.samples])
    if len(levels) < FEWEST_ROUNDS or _trend_chance(list(levels.values())) > DRIFT_CHANCE:
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


def _deviation(result: CellResult) -> float:
    """Return a robust relative standard deviation, from the median absolute deviation of log makespans."""
    logarithms = [log(each) for each in result.makespans_s.values()]
    middle = median(logarithms)
    return MAD_TO_DEVIATION * median(abs(each - middle) for each in logarithms)


def _trend_chance(values: Sequence[float]) -> float:
    """Return the probability of a trend this strong by chance: Kendall's test, two-sided, ties as half a pair."""
    pairs = [(one, other) for index, one in enumerate(values) for other in values[index + 1 :]]
    discordant = sum(1.0 if other < one else 0.5 if other == one else 0.0 for one, other in pairs)
    fewer = min(discordant, len(pairs) - discordant)
    return min(1.0, 2 * float(exact_tests.kendall(len(values))[int(fewer + 0.5)]))
