"""The machine's noise during a run: how long it lasted, whether it changed for good, and what other load there was."""

from __future__ import annotations

from math import exp, log, log1p
from statistics import median

from orchestrator.analysis.stats.dependence import autocorrelation, effective_rounds, step
from orchestrator.analysis.stats.intervals import paired
from orchestrator.analysis.verdicts.selection import round_levels
from orchestrator.model.findings import Dependence, OtherLoad, StepChange
from orchestrator.model.runs import Run


def dependence(run: Run) -> Dependence | None:
    """Return how much the rounds depend on each other; `None` without a pair of cells with enough rounds.

    Pairs are the first cell of each stage and work with each of the others: their ratios are what is judged.
    """
    found = []
    for stage in run.stages:
        for work in run.works(stage):
            usable = [each for each in run.of_work(stage, work) if each.usable and not each.cell.replica]
            for other in usable[1:]:
                first = usable[0].makespans_s
                rounds = paired(first, other.makespans_s)
                logs = [log(other.makespans_s[each] / first[each]) for each in rounds]
                correlation = autocorrelation(logs)
                if correlation is not None:
                    found.append((correlation, len(rounds)))
    if not found:
        return None
    pooled, shared = median(each for each, _ in found), round(median(each for _, each in found))
    return Dependence(pooled, shared, effective_rounds(shared, pooled), len(found))


def step_change(run: Run) -> StepChange | None:
    """Return the round from which everything took longer, or less long, by more than the margin; `None` if none."""
    levels = round_levels([result for result in run.cells if result.samples])
    logs, rounds = list(levels.values()), list(levels)
    at = step(logs)
    if at is None:
        return None
    change = median(logs[at:]) - median(logs[:at])
    return StepChange(rounds[at], exp(change)) if abs(change) > log1p(run.plan.margin) else None


def other_load(run: Run) -> OtherLoad | None:
    """Return the share of the CPU time that other processes took during a run; `None` if it is not known."""
    shares = [load.other for load in run.loads if load.other is not None]
    return OtherLoad(median(shares), max(shares)) if shares else None
