"""Two runs of the same work, cell by cell: what became slower or faster, and whether that is significant.

No round of one run belongs to one of the other, so the intervals are those of unpaired samples; and two runs differ
by more than their rounds do (the machine's state, its temperature, the layout of memory). A change counts only if
the interval excludes 1 and the point lies beyond the margin and beyond either run's noise floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log, log1p
from statistics import median
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.checks import DISTURBANCES, warnings
from orchestrator.analysis.stats.intervals import beyond_one, unpaired_ratio
from orchestrator.analysis.verdicts.comparability import failed_share, noise_floor
from orchestrator.model.environment import Environment, Worker
from orchestrator.model.findings import Estimate, Observation
from orchestrator.model.runs import Cell, CellResult, Run

ChangeWord: TypeAlias = Literal["regression", "improvement", "same", "inconclusive", "invalid"]
Which: TypeAlias = Literal["old", "new"]

# Packages whose versions must be the same for two runs to be compared.
PACKAGES: Final = ("breakeven", "celery", "kombu", "redis", "numpy", "pillow")

UNKNOWN: Final = "unknown"  # an older result does not have this fact, which is no difference

# What two plans must have in common for the runs to have done the same work.
WORKLOAD: Final = ("seed", "images", "width", "height", "source", "latency_ms", "bandwidth_mbit")


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact in which two runs differ."""

    fact: str
    old: object
    new: object


@dataclass(frozen=True, slots=True)
class Change:
    """One cell in both runs."""

    cell: Cell
    change: ChangeWord
    ratio: Estimate | None  # the new makespan over the old: above 1 it became slower
    old_rounds: int
    new_rounds: int
    obstacle: Observation | None = None  # why there is no ratio


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs differ in."""

    old: str
    new: str
    changes: tuple[Change, ...]
    only_old: tuple[Cell, ...]
    only_new: tuple[Cell, ...]
    other_work: tuple[Difference, ...]  # which forbid a comparison
    differences: tuple[Difference, ...]  # of machines and versions
    margin: float  # the new run's
    threshold: float  # the smallest change that counts, as a share: the margin, or the larger noise floor
    noise_floors: Mapping[Which, Estimate | None]
    disturbances: Mapping[Which, tuple[Observation, ...]]

    @property
    def shift(self) -> float | None:
        """The median of all cells' ratios; far from 1 the machine changed rather than any cell."""
        ratios = [each.ratio.point for each in self.changes if each.ratio is not None]
        return median(ratios) if ratios else None

    @property
    def regression(self) -> bool:
        """Whether any cell became slower, or its outcomes wrong."""
        return any(each.change in ("regression", "invalid") for each in self.changes)


def compare(old: Run, new: Run) -> Comparison:
    """Return what changed from one run to another."""
    olds, news = _measured(old), _measured(new)
    floors: dict[Which, Estimate | None] = {"old": noise_floor(old), "new": noise_floor(new)}
    logarithms = [abs(log(floor.point)) for floor in floors.values() if floor is not None]
    threshold = exp(max([log1p(new.plan.margin), *logarithms])) - 1
    before, after = _facts(old.environment), _facts(new.environment)
    return Comparison(
        old.id,
        new.id,
        tuple(_change(olds[cell], news[cell], threshold) for cell in olds if cell in news),
        only_old=tuple(cell for cell in olds if cell not in news),
        only_new=tuple(cell for cell in news if cell not in olds),
        other_work=_differing(*({name: getattr(run.plan, name) for name in WORKLOAD} for run in (old, new))),
        differences=_differing(before, after),
        margin=new.plan.margin,
        threshold=threshold,
        noise_floors=floors,
        disturbances={"old": warnings(old, DISTURBANCES), "new": warnings(new, DISTURBANCES)},
    )


def changed(ratio: Estimate, threshold: float) -> ChangeWord:
    """Return what a ratio of new to old means, if changes count from `threshold` on."""
    if ratio.low is None or ratio.high is None:
        return "inconclusive"
    if side := beyond_one(ratio, threshold):
        return "regression" if side > 0 else "improvement"
    within = ratio.low >= 1 / (1 + threshold) and ratio.high <= 1 + threshold
    return "same" if within else "inconclusive"


def _change(old: CellResult, new: CellResult, threshold: float) -> Change:
    rounds = len(old.makespans_s), len(new.makespans_s)
    obstacle = _obstacle(old, new)
    if obstacle is not None:
        return Change(new.cell, "invalid", None, *rounds, obstacle)
    ratio = unpaired_ratio(list(new.makespans_s.values()), list(old.makespans_s.values()))
    assert ratio is not None  # noqa: S101 - both have samples
    return Change(new.cell, changed(ratio, threshold), ratio, *rounds)


def _obstacle(old: CellResult, new: CellResult) -> Observation | None:
    for result, which in ((old, "old"), (new, "new")):
        if not result.correct:
            return Observation("incorrect", {"which": which})
        if not result.usable:
            return Observation("nothing completed", {"which": which})
    return Observation("unequal failures") if failed_share(old) != failed_share(new) else None


def _measured(run: Run) -> dict[Cell, CellResult]:
    return {result.cell: result for result in run.cells if result.samples and not result.cell.replica}


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> tuple[Difference, ...]:
    return tuple(
        Difference(fact, old.get(fact), new.get(fact))
        for fact in dict.fromkeys((*old, *new))
        if old.get(fact) != new.get(fact) and UNKNOWN not in (old.get(fact), new.get(fact))
    )


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
