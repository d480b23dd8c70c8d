"""Warnings about tasks: those that did not end as they should, and the hops they reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Final

from orchestrator.analysis.hops import hop_ledger
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.model import findings, runs
from orchestrator.model.runs import CellResult, Sample
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count

CLOCK_SHARE: Final = 0.5
"""The share of a hop that the clocks' bound may reach before that hop tells nothing."""

TIMED_OUT: Final = "TimeLimitExceeded"
"""How Celery names the failure of a message that took longer than a worker may."""

GIVE_TIME: Final = (
    "a time limit is for a whole message, so put fewer tasks into each with a smaller --chunk, or raise "
    "BREAKEVEN_TASK_TIME_LIMIT_S of the workers"
)


def incomplete(run: runs.Run) -> findings.Warning | None:
    """Not everything that was planned was measured."""
    measured = {result.cell for result in run.cells if result.taken}
    planned = dict.fromkeys((*run.plan.cells, *(result.cell for result in run.cells)))
    missing = [cell for cell in planned if cell not in measured]
    if not missing and run.complete:
        return None
    lacking = f"; {_named(missing, 'cell')} without a sample" if missing else ""
    return findings.Warning(
        "incomplete",
        f"the run {'ended' if run.complete else 'was interrupted'} before all was measured{lacking}",
        "run again and let it end",
    )


def unsound(run: runs.Run) -> findings.Warning | None:
    """Tasks were lost or ended twice, or outputs differ from the reference's."""
    cells = [result.cell for result in run.cells if not result.sound]
    if not cells:
        return None
    lost, duplicated, wrong = (
        _total(run, lambda sample: sample.lost),
        _total(run, lambda sample: sample.duplicated),
        _total(run, lambda sample: sample.wrong),
    )
    return findings.Warning(
        "unsound",
        f"{_named(cells, 'cell')}: {lost} tasks lost, {duplicated} ended twice, {wrong} outputs wrong",
        "do not use these cells' times; look for dead workers ('orchestrator doctor') or a broken kernel",
    )


def disturbed(run: runs.Run) -> findings.Warning | None:
    """Something befell samples from outside. They are kept, stand for no time, and were taken again."""
    befallen = [(result, sample) for result in run.cells for sample in result.disturbed]
    if not befallen:
        return None
    result, sample = min(befallen, key=lambda each: (each[1].round, each[1].at_s))
    when = "warm-up" if sample.round < 0 else f"round {sample.round + 1}"
    first = f"{result.cell.stage}, {cell_name(result.cell, 'prose')}, {when}: {sample.disturbed}"
    return findings.Warning(
        "disturbed",
        f"{count(len(befallen), 'sample')} disturbed ({'first ' if befallen[1:] else ''}{first})",
        _remedy(run, _of_disturbed(befallen)),
    )


def _of_disturbed(befallen: Sequence[tuple[runs.CellResult, runs.Sample]]) -> str:
    """What became of disturbed samples, and whether there is anything left to do."""
    lost = sum(sample.lost for _, sample in befallen)
    left = "left out of every figure and taken again"
    if lost:
        return (
            f"{left}, but {count(lost, 'task')} of theirs were lost, so the run ends with 1: see what broke"
        )
    return f"{left}, so there is nothing to do"


def _remedy(run: runs.Run, settled: str) -> str:
    """`settled` where every disturbed round was measured in the end, else what is missing."""
    missing = [
        f"round {round_ + 1} of {each.cell.stage}, {cell_name(each.cell, 'prose')}"
        for each in run.cells
        for round_ in sorted({sample.round for sample in each.disturbed} - each.makespans_s.keys())
        if round_ >= 0
    ]
    if not missing:
        return settled
    more = f" and {count(len(missing) - 1, 'more round')}" if missing[1:] else ""
    timed_out = any(failure.type == TIMED_OUT for each in run.cells for failure in each.failures)
    first = GIVE_TIME if timed_out else "see to it that broker and workers stay up"
    return f"{missing[0]}{more} stayed without a figure: {first}, and run again"


def failed(run: runs.Run) -> findings.Warning | None:
    """Tasks failed, so the times are partly those of failing."""
    cells = [result for result in run.cells if any(sample.failed for sample in result.samples)]
    if not cells:
        return None
    causes = [f"{each.type}: {each.message}" for result in cells for each in result.failures]
    cause = f", first with {causes[0]}" if causes else ""
    total = count(_total(run, lambda sample: sample.failed), "task")
    return findings.Warning(
        "failed tasks",
        f"{total} failed in {_named([result.cell for result in cells], 'cell')}{cause}",
        "mend the source or the kernel; until then the times are partly those of failing",
    )


def failed_apart(run: runs.Run) -> findings.Warning | None:
    """Cells failed other tasks than their like, or all: what is left out of comparisons is named."""
    apart = []
    for stage in run.stages:
        for work in run.works(stage):
            sound = [each for each in run.of_work(stage, work) if each.samples and each.sound]
            able = eligible(sound)
            apart += [each.cell for each in sound if each not in able]
    if not apart:
        return None
    return findings.Warning(
        "not compared",
        f"{_named(apart, 'cell')} failed other tasks than cells that did the same work, or all of them",
        "their times are held only against cells that failed as many tasks; mend what fails, and run again",
    )


def slots_unseen(run: runs.Run) -> findings.Warning | None:
    """Fewer slots did work than were asked for, though there were messages for all of them."""
    short = [result for result in run.cells if any(_unseen(result, each) for each in result.samples)]
    if not short:
        return None
    first = short[0]
    seen = min(each.slots_seen or 0 for each in first.samples if _unseen(first, each))
    distributed = any(each.cell.distributed for each in short)
    missing = "look whether workers are missing ('orchestrator doctor'), or " if distributed else ""
    return findings.Warning(
        "slots unseen",
        f"fewer slots worked than were asked for in {_named([each.cell for each in short], 'cell')}: "
        f"{seen} of {first.cell.slots} in the first",
        f"{missing}give each slot more work with --images",
    )


def clock_bound(run: runs.Run) -> findings.Warning | None:
    """The clocks are known too badly to tell queue from return."""
    for result in run.cells:
        of_cell = hop_ledger(result)
        if of_cell is None or not of_cell.clock_bound_s:
            continue
        hops = [each for each in (of_cell.seconds("queue"), of_cell.seconds("return")) if each is not None]
        if hops and of_cell.clock_bound_s > CLOCK_SHARE * min(hops):
            return findings.Warning(
                "clock bound",
                f"clocks are known to within {1e3 * of_cell.clock_bound_s:.2g} ms, and "
                f"{cell_name(result.cell, 'prose')} spends {_or_nothing(min(hops))} in queue or return",
                "read queue and return together, not one by one; a quieter network narrows the bound",
            )
    return None


def hops_beyond_bound(run: runs.Run) -> findings.Warning | None:
    """Hops contradict each other by more than the clocks can explain."""
    hops = [each.hops for result in run.cells for each in result.samples if each.hops is not None]
    beyond = sum(each.beyond_bound for each in hops)
    if not beyond:
        return None
    return findings.Warning(
        "hops beyond bound",
        f"{beyond} of {count(sum(each.tasks for each in hops), 'task')} have a hop more negative than the "
        "clocks' bound explains",
        "synchronise the machines' clocks (chrony), and run again; makespans are not touched by it",
    )


def _or_nothing(seconds: float) -> str:
    """A hop's time; one that the clocks' bound makes negative is no time."""
    return f"{1e3 * seconds:.2g} ms" if seconds > 0 else "less than nothing, within that bound,"


def _unseen(result: CellResult, sample: Sample) -> bool:
    """Whether a sample was served by fewer slots than it had messages for."""
    if sample.slots_seen is None:
        return False
    messages = ceil(sample.tasks / (result.cell.chunk or 1))
    return messages >= result.cell.slots > sample.slots_seen


def _total(run: runs.Run, figure: Callable[[Sample], int]) -> int:
    return sum(figure(sample) for result in run.cells for sample in result.samples)


def _named(cells: Sequence[runs.Cell], noun: str) -> str:
    """How many cells, and the first by name: `3 cells (first decode, Celery with asarray ...)`."""
    first = f"{' '.join(filter(None, (cells[0].stage, cells[0].work)))}, {cell_name(cells[0], 'prose')}"
    return f"{count(len(cells), noun)} ({'first ' if len(cells) > 1 else ''}{first})"
