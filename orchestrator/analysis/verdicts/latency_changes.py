"""Two runs under load: whether p95 and p99 at a rate became slower, by the blocks of both."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, log1p, sqrt
from typing import Final

import numpy as np

from orchestrator.analysis.load import BLOCKS, LoadRow, Times, load_row, resampled_latencies
from orchestrator.analysis.stats.bootstrap import SEED
from orchestrator.analysis.stats.exact_tests import equal_shares_p
from orchestrator.analysis.stats.intervals import ASKED_LEVEL
from orchestrator.analysis.stats.student_t import quantile as student_quantile
from orchestrator.analysis.stats.student_t import two_sided_p
from orchestrator.analysis.verdicts.common_shift import holm
from orchestrator.model.findings import ChangeWord, Estimate, Observation
from orchestrator.model.runs import Cell, CellResult, Run

JUDGED: Final = (0.95, 0.99)


@dataclass(frozen=True, slots=True)
class LatencyChange:
    """A quantile of the latency of one cell at one rate, in both runs.

    `ratio` is new over old, above 1 if it became slower; `None` where a run has no figure. `p_value` is adjusted for
    how many are judged.
    """

    cell: Cell
    quantile: float
    change: ChangeWord
    old: Estimate | None
    new: Estimate | None
    ratio: Estimate | None = None
    p_value: float | None = None
    obstacle: Observation | None = None  # why it is invalid


def latency_changes(old: Run, new: Run, margin: float, false_alarms: float) -> tuple[LatencyChange, ...]:
    """Return how each quantile changed at each rate that both runs have.

    Args:
        old: the run to compare with.
        new: the run that is judged.
        margin: the change that counts, as a share.
        false_alarms: of comparisons of the same code, the share that may show any change.
    """
    olds, news = ({each.cell: each for each in run.cells if each.open_loops} for run in (old, new))
    both = [cell for cell in olds if cell in news]
    judged = [_ratios(olds[cell], news[cell], false_alarms / len(both)) for cell in both]
    found = {(each.cell, each.quantile): each for of_cell in judged for each in of_cell}
    adjusted = holm({key: each.p_value for key, each in found.items() if each.p_value is not None})
    return tuple(
        _judged(each, adjusted[key], margin, false_alarms) if key in adjusted else each
        for key, each in found.items()
    )


def _ratios(old: CellResult, new: CellResult, false_alarms: float) -> list[LatencyChange]:
    before, after = load_row(old), load_row(new)
    assert before is not None and after is not None  # noqa: S101, PT018 - both have samples
    # Different seeds, or both runs would draw the same blocks.
    drawn = [resampled_latencies(_times(each), seed) for each, seed in ((old, SEED), (new, SEED + 1))]
    obstacle = _obstacle(old, new, before, after, false_alarms)
    freedom = BLOCKS - 1
    changes = []
    for quantile in JUDGED:
        a, b = before.latency_s[quantile], after.latency_s[quantile]
        if a is None and b is None:
            continue
        if obstacle is not None:
            changes.append(LatencyChange(old.cell, quantile, "invalid", a, b, obstacle=obstacle))
            continue
        word = _word_without_figure(before, after, quantile)
        change = LatencyChange(old.cell, quantile, word, a, b)
        # Draws are infinite where nearly too many tasks were unfinished for a figure.
        known = all(np.isfinite(each[quantile]).all() for each in drawn)
        if a is not None and b is not None and known:
            logarithms = [np.log(each[quantile]) for each in drawn]
            error = sqrt(sum(float(np.var(each)) for each in logarithms)) or 1e-12
            ratio = log(b.point / a.point)
            half = student_quantile(ASKED_LEVEL, freedom) * error
            estimate = Estimate(exp(ratio), exp(ratio - half), exp(ratio + half), ASKED_LEVEL)
            p_value = two_sided_p(ratio / error, freedom)
            change = LatencyChange(old.cell, quantile, word, a, b, estimate, p_value)
        changes.append(change)
    return changes


def _obstacle(
    old: CellResult, new: CellResult, before: LoadRow, after: LoadRow, false_alarms: float
) -> Observation | None:
    """Return why the latencies are not of the same work, rightly done; `None` if they are."""
    for result, which in ((old, "old"), (new, "new")):
        if not result.correct:
            return Observation("incorrect", {"which": which})
    if after.lost > before.lost:
        return Observation("more lost")
    failed = equal_shares_p(before.failed, before.ended, after.failed, after.ended)
    return Observation("unequal failures") if failed <= false_alarms else None


def _word_without_figure(before: LoadRow, after: LoadRow, quantile: float) -> ChangeWord:
    """Return what became of a quantile of which a run has no figure: too many tasks were unfinished, or too few."""
    if before.in_flight or after.in_flight:  # they were interrupted, not too slow
        return "inconclusive"
    missed_before, missed = (each.unfinished > (1 - quantile) * each.offered for each in (before, after))
    if missed == missed_before:
        return "inconclusive"
    return "regression" if missed else "improvement"


def _times(result: CellResult) -> list[tuple[Times, float]]:
    traces = [each.trace for each in result.open_loops if each.trace is not None]
    return [(Times.of(trace), trace.duration_s) for trace in traces]


def _judged(change: LatencyChange, adjusted: float, margin: float, false_alarms: float) -> LatencyChange:
    assert change.ratio is not None and change.p_value is not None  # noqa: S101, PT018 - it was judged
    beyond = abs(log(change.ratio.point)) > log1p(margin)
    word: ChangeWord = "same"
    if beyond and adjusted <= false_alarms:
        word = "regression" if change.ratio.point > 1 else "improvement"
    elif beyond and change.p_value <= 1 - ASKED_LEVEL:
        word = "inconclusive"
    return LatencyChange(change.cell, change.quantile, word, change.old, change.new, change.ratio, adjusted)
