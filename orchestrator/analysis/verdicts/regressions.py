"""Two runs of the same work, cell by cell: what became slower or faster, and how surely.

No round of one run belongs to one of the other, so the intervals are those of unpaired samples; and two
runs differ by more than their rounds do (the machine's state, its temperature, the layout of memory). A
change is called one only if the interval excludes 1 and the point lies beyond the margin and beyond what
either run's A/A pair shows of a cell against itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log, log1p
from statistics import median
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, beyond_one, unpaired_ratio
from orchestrator.analysis.verdicts.noise import noise_floor
from orchestrator.errors import UsageError
from orchestrator.model.environment import Environment, Worker
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import number, percent

ChangeWord: TypeAlias = Literal["regression", "improvement", "same", "inconclusive", "invalid"]

PACKAGES: Final = ("breakeven", "celery", "kombu", "redis", "numpy", "pillow")
"""Whose versions must be the same for two runs to be compared."""

UNKNOWN: Final = "unknown"
"""What a result of an earlier time does not tell, which is no difference."""

WORKLOAD: Final = ("seed", "images", "width", "height", "source", "latency_ms", "bandwidth_mbit")
"""What of a plan must be the same for two runs to have done the same work."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cell in both runs. `ratio` is the new makespan over the old, so above 1 it became slower."""

    cell: Cell
    change: ChangeWord
    ratio: Estimate | None
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs of the same work differ in.

    `differences` are what their machines and versions differ in: with any, every `reason` says so.
    `threshold` is the change that is large enough, as a share; `shift` the median of all cells' ratios,
    which far from 1 tells of a machine that changed rather than of any cell.
    """

    old: str
    new: str
    changes: tuple[Change, ...]
    only_old: tuple[Cell, ...]
    only_new: tuple[Cell, ...]
    differences: tuple[str, ...]
    threshold: float
    shift: float | None

    @property
    def regression(self) -> bool:
        """Whether any cell became slower, or its outcomes wrong."""
        return any(each.change in ("regression", "invalid") for each in self.changes)


def compare(old: Run, new: Run, across: bool = False) -> Comparison:
    """What changed from one run to another; `across` allows other machines and versions, and says so.

    Raises:
        UsageError: the runs did not do the same work, or not on the same machine with the same versions.
    """
    _refuse_other_work(old, new)
    differences = tuple(_differences(old, new))
    if differences and not across:
        raise UsageError(
            f"{old.id} and {new.id} are not of one machine and version: {'; '.join(differences)}; "
            "use --across to compare them all the same"
        )
    olds, news = _measured(old), _measured(new)
    threshold = _threshold(old, new)
    mark = f" (across: {'; '.join(differences)})" if differences else ""
    changes = tuple(_change(olds[cell], news[cell], threshold, mark) for cell in olds if cell in news)
    ratios = [each.ratio.point for each in changes if each.ratio is not None]
    return Comparison(
        old.id,
        new.id,
        changes,
        only_old=tuple(cell for cell in olds if cell not in news),
        only_new=tuple(cell for cell in news if cell not in olds),
        differences=differences,
        threshold=threshold,
        shift=median(ratios) if ratios else None,
    )


def changed(ratio: Estimate, threshold: float) -> ChangeWord:
    """What a ratio of new to old says, for a change that is large enough from `threshold` on."""
    if ratio.low is None or ratio.high is None:
        return "inconclusive"
    if side := beyond_one(ratio, threshold):
        return "regression" if side > 0 else "improvement"
    within = ratio.low >= 1 / (1 + threshold) and ratio.high <= 1 + threshold
    return "same" if within else "inconclusive"


def _change(old: CellResult, new: CellResult, threshold: float, mark: str) -> Change:
    name = cell_name(new.cell, "prose")
    for result, run in ((old, "old"), (new, "new")):
        if not result.sound:
            reason = f"{name} lost or repeated tasks, or gave wrong outputs, in the {run} run{mark}"
            return Change(new.cell, "invalid", None, reason)
        if not result.stands:
            return Change(new.cell, "invalid", None, f"{name} ended no task well in the {run} run{mark}")
    if _failed_share(old) != _failed_share(new):
        return Change(new.cell, "invalid", None, f"{name} did not fail the same share of tasks in both{mark}")
    ratio = unpaired_ratio(list(new.makespans_s.values()), list(old.makespans_s.values()))
    assert ratio is not None  # noqa: S101 - both have samples
    word = changed(ratio, threshold)
    reason = f"{name} {_evidence(ratio, len(old.makespans_s), len(new.makespans_s))}"
    if word == "same":
        reason += f", within {percent(threshold)}"
    if word == "inconclusive":
        few = ratio.level is None
        reason += f": at least {FEWEST_ROUNDS} rounds each are needed" if few else ": too wide to decide"
    return Change(new.cell, word, ratio, reason + mark)


def _evidence(ratio: Estimate, old: int, new: int) -> str:
    takes = f"takes {number(ratio.point)} times as long as before"
    if ratio.low is None or ratio.high is None or ratio.level is None:
        return f"{takes} ({old} rounds against {new})"
    level = f"{100 * ratio.level:.0f} % interval"
    return f"{takes} ({number(ratio.low)} to {number(ratio.high)}, {level}, {old} rounds against {new})"


def _threshold(old: Run, new: Run) -> float:
    """The larger of the new run's margin and of what either A/A pair differs from itself by, as a share."""
    floors = [floor for floor in (noise_floor(old), noise_floor(new)) if floor is not None]
    return exp(max([log1p(new.plan.margin), *(abs(log(floor.point)) for floor in floors)])) - 1


def _measured(run: Run) -> dict[Cell, CellResult]:
    return {result.cell: result for result in run.cells if result.samples and not result.cell.replica}


def _failed_share(result: CellResult) -> float:
    return sum(each.failed for each in result.samples) / max(1, sum(each.tasks for each in result.samples))


def _refuse_other_work(old: Run, new: Run) -> None:
    differing = [name for name in WORKLOAD if getattr(old.plan, name) != getattr(new.plan, name)]
    if differing:
        details = ", ".join(
            f"{name} {getattr(old.plan, name)} and {getattr(new.plan, name)}" for name in differing
        )
        raise UsageError(
            f"{old.id} and {new.id} did not do the same work ({details}); measure both with the same options"
        )


def _differences(old: Run, new: Run) -> list[str]:
    """What two runs' machines and versions differ in, in words."""
    before, after = _facts(old.environment), _facts(new.environment)
    return [
        f"{name} {before.get(name)} and {after.get(name)}"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name) and UNKNOWN not in (before.get(name), after.get(name))
    ]


def _facts(environment: Environment) -> Mapping[str, object]:
    broker = environment.broker
    workers = sorted(f"{each.slots} slots of {each.usable_cpus:g} CPUs" for each in environment.workers)
    return {
        "CPU": environment.cpu.model,
        "usable CPUs": environment.cpu.usable,
        "Python": environment.python,
        "GIL": environment.gil,
        "broker": broker and f"{broker.name} {broker.version}",
        "workers": ", ".join(workers) or None,
        "workers' task events": ", ".join(sorted({_on_or_off(each) for each in environment.workers})) or None,
        "workers' Python": ", ".join(sorted({each.python for each in environment.workers})) or None,
        **{package: environment.packages.get(package) for package in PACKAGES},
    }


def _on_or_off(worker: Worker) -> str:
    return UNKNOWN if worker.events is None else "on" if worker.events else "off"
