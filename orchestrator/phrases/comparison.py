"""A comparison of two runs in words, the same in every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import log, log1p
from typing import Final

from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS
from orchestrator.analysis.verdicts.regressions import (
    Change,
    Comparison,
    Difference,
    Group,
)
from orchestrator.model.findings import ChangeWord, Estimate
from orchestrator.model.runs import FUNCTION, Cell, Run
from orchestrator.phrases.cells import arrival_rate, cell_name
from orchestrator.phrases.numbers import NONE, count, evidence, interval, level, number, percent
from orchestrator.phrases.warnings import warning_text

# The most important first.
ORDER: Final[tuple[ChangeWord, ...]] = ("invalid", "regression", "improvement", "inconclusive", "same")

MOST_NAMED: Final = 6  # more cells are counted rather than named

MEANING: Final = (
    "The change is that of the makespan, without what all rows changed by: +10 % takes 10 % longer. "
    "Same means that no change was found; inconclusive, that one is likely but not sure: measure both again."
)

LATENCY_MEANING: Final = (
    "The change is that of a quantile of the latency at an arrival rate, by the blocks of time of both runs. "
    "Same means that no change was found; inconclusive, that one is likely but not sure, or that a run has no figure. "
    "A run that left more tasks unfinished than a quantile allows counts as slower than one that has the figure."
)

BATCH_OPTIONS: Final = {"images": "--images", "inputs": "--batch"}  # what sets them, in place of the budget

OBSTACLES: Final[Mapping[str, Callable[..., str]]] = {
    "incorrect": lambda which: f"lost or repeated tasks, or gave wrong outputs, in the {which} run",
    "nothing completed": lambda which: f"completed no task in the {which} run",
    "more lost": lambda: "lost more tasks in the new run",
    "unequal failures": lambda: "did not fail the same share of tasks in both",
}


def refusal(comparison: Comparison, across: bool) -> str | None:
    """Return why two runs may not be compared; `across` allows other machines and versions."""
    runs = f"{comparison.old} and {comparison.new}"
    if comparison.other_work:
        work = _listed(comparison.other_work, ", ")
        remedy = "measure both with the same options"
        (first, *more) = comparison.other_work
        if first.fact in BATCH_OPTIONS and not more:
            remedy = f"measure both with {BATCH_OPTIONS[first.fact]} {first.old} or {first.new}"
        return f"{runs} did not do the same work ({work}); {remedy}"
    if comparison.differences and not across:
        differences = _listed(comparison.differences, "; ")
        return f"{runs} are not of one machine and version: {differences}; use --across to compare them all the same"
    return None


def marked(comparison: Comparison, line: str) -> str:
    """Return the line, marked if the runs are of different machines or versions."""
    return f"{line} (across)" if comparison.differences and "across" not in line else line


def meaning(comparison: Comparison) -> str:
    """Return what the words of a comparison mean."""
    return LATENCY_MEANING if comparison.latencies else MEANING


def of_run(which: str, run: Run) -> str:
    """Return which run it is: `old 0123abcd of 2026-01-02 03:04, 7 rounds`."""
    started = run.started_at[:16].replace("T", " ")
    end = "" if run.complete else ", INCOMPLETE"
    return f"{which} {run.id} of {started}, {count(run.plan.rounds, 'round')}{end}"


def across(comparison: Comparison) -> list[str]:
    """Return what the machines and versions differ in, a line each."""
    return [f"across: {difference(each)}" for each in comparison.differences]


def same_run(old: Run, new: Run) -> str | None:
    """Return that both are one run, if they are."""
    return "old and new are the same run, so there is no change to find" if old == new else None


def disturbed(comparison: Comparison, old: Run, new: Run) -> list[str]:
    """Return what disturbed either run, a line each: a change may be the machine's."""
    found = {f"{which} run": each for which, each in comparison.disturbances.items()}
    if old == new:
        found = {"run": comparison.disturbances["new"]}
    return [
        f"the {which} was disturbed: {warning_text(warning).message}"
        for which, warnings in found.items()
        for warning in warnings
    ]


def threshold(comparison: Comparison) -> str:
    """Return from which change on one counts, and which would have been missed."""
    counts = f"changes count from {percent(comparison.margin)} on (the new run's margin)"
    if comparison.smallest is None:
        return counts
    sure = f"{counts}, and are sure here from {percent(comparison.smallest)} on in a single row"
    if comparison.smallest_of_kernel is None:
        return sure
    return f"{sure}, from {percent(comparison.smallest_of_kernel)} on in a kernel"


def shift(comparison: Comparison) -> str | None:
    """Return what all rows changed by together, which is the machine's doing rather than any row's.

    Latencies are not judged by it: in a run under load it is the reference loop's alone.
    """
    if comparison.shift is None:
        return None
    what, counted = "everything", "changes are counted from there"
    if comparison.latencies:
        what, counted = "the reference loop", "the changes of latencies include it"
    takes = f"{what} takes {number(comparison.shift.point)} times as long as before"
    if moved_together(comparison):
        return f"{takes} ({_interval(comparison.shift)}): the machine or its load changed; {counted}"
    return f"{takes}; {counted}"


def moved_together(comparison: Comparison) -> bool:
    """Return whether the common shift is larger than the margin."""
    return comparison.shift is not None and abs(log(comparison.shift.point)) > log1p(comparison.margin)


def group_name(each: Group) -> str:
    """Return what changed together: `grayscale numpy (by its serial row)`, `celery redis/4 on 2, all 9 rows`."""
    if each.row is not None:
        return f"{label(each.row)} on {each.row.slots}, all {each.rows} rows"
    name = each.kernel if each.stage == FUNCTION else f"{each.stage} {each.kernel}"
    return f"{name} (by its serial row)" if each.by_serial else f"{name}, all {each.rows} rows"


def of_group(each: Group) -> str:
    """Return what changed of a group: `takes 1.25 times as long (1.20 to 1.30, 95 % interval)`."""
    return f"{'takes' if each.by_serial else 'take'} {number(each.rest.point)} times as long ({_interval(each.rest)})"


def summary(comparison: Comparison) -> str:
    """Return how many kernels, strategies and cells changed how: `1 regression of a kernel, 3 same`."""
    groups = Counter(
        f"{each.change} of a {'kernel' if each.row is None else 'strategy'}" for each in comparison.groups
    )
    words = Counter(each.change for each in comparison.changes)
    words.update(each.change for each in comparison.latencies)
    found = [*groups.items(), *((word, words[word]) for word in ORDER if words[word])]
    return ", ".join(f"{times} {word}" for word, times in found)


def only_in_one(comparison: Comparison) -> Iterator[str]:
    """Yield the cells that only one run has: a line each, or a line a stage if there are many."""
    for which, cells in (("old", comparison.only_old), ("new", comparison.only_new)):
        if len(cells) > MOST_NAMED:
            for subject, its_cells in Counter(cell.subject for cell in cells).items():
                yield f"only in the {which} run: {subject}: {count(its_cells, 'cell')}"
        else:
            for cell in cells:
                more = " ".join((cell.work, arrival_rate(cell))).strip()
                yield f"only in the {which} run: {cell.subject}: {cell_name(cell, 'prose')} {more}".rstrip()


def label(cell: Cell) -> str:
    """Return the cell's name in a table, with its work where a sweep varies it: `celery redis/4 64x64`."""
    return " ".join(part for part in (cell_name(cell), cell.work, arrival_rate(cell)) if part)


def reason(change: Change, comparison: Comparison) -> str:
    """Return the sentence behind a change, with the figures that it rests on."""
    text = f"{cell_name(change.cell, 'prose')} {_reason(change, comparison)}"
    differences = _listed(comparison.differences, "; ")
    return f"{text} (across: {differences})" if differences else text


def invalid_latencies(comparison: Comparison) -> list[str]:
    """Return why latencies are invalid, a line each cell: `function: threads 40/s did not fail ...`."""
    found = {each.cell: each.obstacle for each in comparison.latencies if each.obstacle is not None}
    return [
        f"{cell.subject}: {label(cell)} {OBSTACLES[why.kind](**why.figures)}" for cell, why in found.items()
    ]


def change(ratio: Estimate | None) -> str:
    """Return how much longer it takes: `+20.1 %`."""
    return NONE if ratio is None else f"{_longer(ratio.point)} %"


def change_interval(ratio: Estimate | None) -> str:
    """Return the interval of the change: `+18.2 to +22.0 %`; empty where there is none."""
    within = interval(ratio, _longer, " to ")
    return within and f"{within} %"


def _reason(change: Change, comparison: Comparison) -> str:
    if change.obstacle is not None:
        return OBSTACLES[change.obstacle.kind](**change.obstacle.figures)
    rounds = f"{count(change.old_rounds, 'round')} against {change.new_rounds}"
    if change.rest is None:
        assert change.ratio is not None  # noqa: S101 - it has no obstacle
        takes = f"takes {number(change.ratio.point)} times as long as before ({rounds})"
        if min(change.old_rounds, change.new_rounds) < FEWEST_ROUNDS:
            return f"{takes}: at least {FEWEST_ROUNDS} rounds each are needed"
        return f"{takes}, but there is no other kernel to tell a slower machine by: measure more kernels"
    takes = (
        f"takes {number(change.rest.point)} times as long as before, apart from what everything changed by "
        f"({evidence(change.rest, rounds)})"
    )
    return takes + {"same": ": no change found", "inconclusive": ": likely, but not sure"}.get(
        change.change, ""
    )


def _interval(ratio: Estimate) -> str:
    return f"{interval(ratio, number, ' to ')}, {level(ratio)} interval"


def _listed(differences: Iterable[Difference], between: str) -> str:
    return between.join(map(difference, differences))


def difference(each: Difference) -> str:
    """Return a fact in which two runs differ: `Python 3.13.1 and 3.14.0`."""
    return f"{each.fact} {each.old} and {each.new}"


def _longer(ratio: float) -> str:
    percent = 100 * (ratio - 1)
    return f"{percent:+.0f}" if abs(percent) >= 99.95 else f"{round(percent, 1) + 0.0:+.1f}"
