"""Checks of tasks: those that did not end as they should, and the hops that they reported."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Final

from orchestrator.analysis.hops import hop_ledger
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.model.findings import Observation
from orchestrator.model.runs import Cell, CellResult, Run, Sample
from worker.stages import STAGES

CLOCK_SHARE: Final = 0.5  # share of a hop that the clocks' bound may reach while the hop's time has a meaning
TIMED_OUT: Final = "TimeLimitExceeded"  # Celery's name for a message that took longer than a worker may


def incomplete(run: Run) -> Observation | None:
    """Warn if not everything that was planned was measured."""
    measured = {result.cell for result in run.cells if result.taken}
    planned = dict.fromkeys((*run.plan.cells, *(result.cell for result in run.cells)))
    missing = tuple(cell for cell in planned if cell not in measured)
    if not missing and run.complete:
        return None
    return Observation("incomplete", {"interrupted": not run.complete, "missing": missing})


def unsound(run: Run) -> Observation | None:
    """Warn if tasks were lost or ended twice, or outputs differ from the reference's."""
    cells = tuple(result.cell for result in run.cells if not result.correct)
    if not cells:
        return None
    totals = {name: _total(run, name) for name in ("lost", "duplicated", "wrong")}
    from_urls = "://" in run.plan.source and all(map(_fetches_urls, cells))
    return Observation("unsound", {"cells": cells, **totals, "from_urls": from_urls})


def disturbed(run: Run) -> Observation | None:
    """Warn of samples that something outside the run disturbed; they are in no figure, and were taken again."""
    found = [(result.cell, sample) for result in run.cells for sample in result.disturbed]
    if not found:
        return None
    cell, first = min(found, key=lambda each: (each[1].round, each[1].at_s))
    missing = tuple(
        (each.cell, round_)
        for each in run.cells
        for round_ in sorted({sample.round for sample in each.disturbed} - each.makespans_s.keys())
        if round_ >= 0
    )
    return Observation(
        "disturbed",
        {
            "samples": len(found),
            "first": cell,
            "round_": first.round,
            "cause": first.disturbed,
            "lost": sum(sample.lost for _, sample in found),
            "missing": missing,
            "timed_out": any(failure.type == TIMED_OUT for each in run.cells for failure in each.failures),
        },
    )


def failed_tasks(run: Run) -> Observation | None:
    """Warn if tasks failed, because the times are partly those of failing."""
    results = [result for result in run.cells if any(sample.failed for sample in result.counted)]
    if not results:
        return None
    cells = tuple(result.cell for result in results)
    first = next((failure for result in results for failure in result.failures), None)
    return Observation("failed tasks", {"cells": cells, "failed": _total(run, "failed"), "first": first})


def not_compared(run: Run) -> Observation | None:
    """Warn of cells that failed more tasks than cells with the same work, or all of them."""
    left_out = []
    for stage in run.stages:
        for work in run.works(stage):
            correct = [each for each in run.of_work(stage, work) if each.samples and each.correct]
            able = eligible(correct)
            left_out += [each.cell for each in correct if each not in able]
    return Observation("not compared", {"cells": tuple(left_out)}) if left_out else None


def slots_unseen(run: Run) -> Observation | None:
    """Warn if fewer slots worked than were asked for, though there were messages for all of them.

    A sweep of the work starts at tasks so short that one slot takes them all: there, only Celery's longest count.
    """
    results = _with_longest_tasks(run) if run.plan.axis == "work" else run.cells
    short = [result for result in results if any(_unseen(result, each) for each in result.samples)]
    if not short:
        return None
    cells = tuple(each.cell for each in short)
    seen = min(each.slots_seen or 0 for each in short[0].samples if _unseen(short[0], each))
    distributed = any(cell.distributed for cell in cells)
    return Observation("slots unseen", {"cells": cells, "seen": seen, "distributed": distributed})


def clock_bound(run: Run) -> Observation | None:
    """Warn if the workers' clocks are not known well enough to separate queue from return."""
    for result in run.cells:
        ledger = hop_ledger(result)
        if ledger is None or not ledger.clock_bound_s:
            continue
        hops = [each for each in (ledger.seconds("queue"), ledger.seconds("return")) if each is not None]
        if hops and ledger.clock_bound_s > CLOCK_SHARE * min(hops):
            figures = {"cell": result.cell, "bound_s": ledger.clock_bound_s, "hop_s": min(hops)}
            return Observation("clock bound", figures)
    return None


def hops_beyond_bound(run: Run) -> Observation | None:
    """Warn if hops contradict each other by more than the clocks can explain."""
    hops = [each.hops for result in run.cells for each in result.samples if each.hops is not None]
    beyond = sum(each.beyond_bound for each in hops)
    if not beyond:
        return None
    return Observation("hops beyond bound", {"beyond": beyond, "tasks": sum(each.tasks for each in hops)})


def _with_longest_tasks(run: Run) -> list[CellResult]:
    longest_s = {
        replace(cell, work_s=None): cell.work_s
        for cell in sorted(run.plan.cells, key=lambda cell: cell.work_s or 0.0)
    }
    return [
        result
        for result in run.cells
        if result.cell.distributed and result.cell.work_s == longest_s.get(replace(result.cell, work_s=None))
    ]


def _unseen(result: CellResult, sample: Sample) -> bool:
    if sample.slots_seen is None:
        return False
    messages = ceil(sample.tasks / (result.cell.chunk or 1))
    return messages >= result.cell.slots > sample.slots_seen


def _fetches_urls(cell: Cell) -> bool:
    return cell.stage in STAGES and STAGES[cell.stage].fetches_urls


def _total(run: Run, count: str) -> int:
    return sum(getattr(sample, count) for result in run.cells for sample in result.counted)
