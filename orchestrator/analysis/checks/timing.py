"""Warnings about times: too few, far apart, drifting, too short for the timer, or unequal to themselves."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, log1p
from statistics import median
from typing import Final

from orchestrator.analysis.stats import exact_tests
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS
from orchestrator.analysis.verdicts.noise import noise_floor
from orchestrator.analysis.verdicts.selection import round_levels
from orchestrator.model import findings, runs
from orchestrator.model.runs import CellResult
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count, evidence, number, percent

SPREAD: Final = 0.10
"""The relative standard deviation from which pyperf calls a benchmark unstable; here a robust one."""

MAD_TO_DEVIATION: Final = 1.4826
"""The median absolute deviation times this is a normal distribution's standard deviation."""

DRIFT_CHANCE: Final = 0.05
"""How improbable a trend must be by chance alone before it is called a drift."""

TIMER_TICKS: Final = 1000
"""A makespan of fewer ticks of the clock than this is not measured to a thousandth."""


def too_few_rounds(run: runs.Run) -> findings.Warning | None:
    """There are not enough rounds for an interval."""
    rounds = [len(result.makespans_s) for result in run.cells if result.samples]
    if not rounds or min(rounds) >= FEWEST_ROUNDS:
        return None
    return findings.Warning(
        "too few rounds",
        f"{count(min(rounds), 'round')} of some cells: below {FEWEST_ROUNDS} there are no intervals, and so "
        "no verdicts",
        f"use --rounds {FEWEST_ROUNDS + 2} or more",
    )


def aa_differs(run: runs.Run) -> findings.Warning | None:
    """The same cell, measured twice, differs from itself by more than the margin."""
    floor = noise_floor(run)
    if floor is None or abs(log(floor.point)) <= log1p(run.plan.margin):
        return None
    rounds = max((len(result.samples) for result in run.cells if result.cell.replica), default=0)
    return findings.Warning(
        "A/A differs",
        f"the same cell measured twice has a ratio of {number(floor.point)} ({evidence(floor, rounds)}), "
        f"beyond the margin of {percent(run.plan.margin)}",
        "trust no difference of this size; use more rounds, a quieter machine, or a wider --margin",
    )


def spread(run: runs.Run) -> findings.Warning | None:
    """A cell's makespans lie too far apart."""
    spreads = {result.cell: _spread(result) for result in run.cells if len(result.samples) > 1}
    wide = {cell: each for cell, each in spreads.items() if each > SPREAD}
    if not wide:
        return None
    worst = max(wide, key=lambda cell: wide[cell])
    return findings.Warning(
        "spread",
        f"{len(wide)} of {count(len(spreads), 'cell')} vary by more than {percent(SPREAD)} from round to "
        f"round, most {worst.stage}, {cell_name(worst, 'prose')}, by {percent(wide[worst])}",
        "use more rounds, more --images a batch, or a quieter machine",
    )


def drift(run: runs.Run) -> findings.Warning | None:
    """The rounds became slower or faster over the run, all cells together.

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
    return findings.Warning(
        "drift",
        f"from the first round to the last, times {'rose' if change > 0 else 'fell'} by "
        f"{percent(abs(exp(change) - 1))}",
        "raise --warmup, or let the machine settle; ratios are of the same round and stand, seconds do not",
    )


def timer(run: runs.Run) -> findings.Warning | None:
    """A makespan is too short for the clock that measured it."""
    if run.preflight is None:
        return None
    least = TIMER_TICKS * run.preflight.timer_resolution_s
    times = {result.cell: min(result.makespans_s.values()) for result in run.cells if result.samples}
    short = [cell for cell, makespan_s in times.items() if makespan_s < least]
    if not short:
        return None
    return findings.Warning(
        "timer",
        f"{short[0].stage}, {cell_name(short[0], 'prose')} took {1e3 * times[short[0]]:.2g} ms, less than "
        f"{TIMER_TICKS} ticks of the clock ({1e9 * run.preflight.timer_resolution_s:.0f} ns each)",
        "give each batch more work: more --images, or a larger --size",
    )


def _spread(result: CellResult) -> float:
    """A robust relative standard deviation: of log makespans, from their median absolute deviation."""
    logarithms = [log(each) for each in result.makespans_s.values()]
    usual = median(logarithms)
    return MAD_TO_DEVIATION * median(abs(each - usual) for each in logarithms)


def _trend_chance(values: Sequence[float]) -> float:
    """How probable so strong a trend is by chance: Kendall's test, two-sided, ties as half a pair."""
    pairs = [(one, other) for index, one in enumerate(values) for other in values[index + 1 :]]
    discordant = sum(1.0 if other < one else 0.5 if other == one else 0.0 for one, other in pairs)
    fewer = min(discordant, len(pairs) - discordant)
    return min(1.0, 2 * float(exact_tests.kendall(len(values))[int(fewer + 0.5)]))
