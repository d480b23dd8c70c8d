"""Two runs of the same work: what became slower or faster, beyond what they differ by in everything.

Rows, kernels and strategies are judged by what is left of their change once the shift common to the others is taken
away. A change counts if it is larger than the margin, and so sure that at most one in a hundred comparisons of the
same code would show a regression (Holm). See `common_shift`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log1p
from statistics import median
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.checks import DISTURBANCES, warnings
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, unpaired_ratio
from orchestrator.analysis.verdicts.common_shift import (
    LEVEL,
    Rest,
    holm,
    log_ratio,
    rests,
    rests_of_serial_rows,
    rests_of_strategies,
    shift,
)
from orchestrator.analysis.verdicts.comparability import failed_share
from orchestrator.analysis.verdicts.latency_changes import LatencyChange, latency_changes
from orchestrator.model.environment import Environment, Worker
from orchestrator.model.findings import ChangeWord, Estimate, Observation
from orchestrator.model.runs import Cell, CellResult, Plan, Run

Which: TypeAlias = Literal["old", "new"]

# Packages whose versions must be the same for two runs to be compared.
PACKAGES: Final = ("breakeven", "celery", "kombu", "redis", "numpy", "pillow")

FALSE_ALARMS: Final = 0.01  # of comparisons of the same code, the share that may show a regression

# The share of the false alarms that is left to the serial rows, each as the witness of its kernel. They are few, so
# that each needs less evidence than among all rows.
SERIAL_SHARE: Final = 0.25

UNKNOWN: Final = "unknown"  # an older result does not have this fact, which is no difference

# What two plans must have in common for the runs to have done the same work.
WORKLOAD: Final = (
    *("seed", "images", "width", "height", "source", "latency_ms", "bandwidth_mbit"),
    *("arrivals", "duration_s"),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact in which two runs differ."""

    fact: str
    old: object
    new: object


@dataclass(frozen=True, slots=True)
class Change:
    """One row in both runs.

    `ratio` is the new makespan over the old, above 1 if it became slower; `rest` what is left of it after the common
    shift; `p_value` is adjusted for how many rows, kernels and strategies are judged. `None` if it could not be judged.
    """

    cell: Cell
    change: ChangeWord
    ratio: Estimate | None
    old_rounds: int
    new_rounds: int
    rest: Estimate | None = None
    p_value: float | None = None
    obstacle: Observation | None = None  # why there is no ratio


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that changed together: all of a kernel, or of `row`, a strategy with its options, in every kernel.

    `by_serial` is whether a kernel's serial row shows the change, rather than the middle of its rows.
    """

    stage: str | None
    kernel: str | None
    row: Cell | None
    rows: int
    change: ChangeWord
    rest: Estimate
    by_serial: bool = False

    def has(self, cell: Cell) -> bool:
        """Return whether a row is one of the group's."""
        if self.row is not None:
            return replace(cell, stage="", kernel="") == self.row
        return (cell.stage, cell.kernel) == (self.stage, self.kernel)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two runs differ in.

    `shift` is the ratio common to all kernels and the reference loop; `smallest` the smallest change of the
    median row that would have counted, as a share; `smallest_of_kernel` that of the median kernel, by its serial row.
    `None` without anything to judge by.
    """

    old: str
    new: str
    changes: tuple[Change, ...]
    groups: tuple[Group, ...]
    only_old: tuple[Cell, ...]
    only_new: tuple[Cell, ...]
    other_work: tuple[Difference, ...]  # which forbid a comparison
    differences: tuple[Difference, ...]  # of machines and versions
    margin: float  # the new run's; a smaller change does not count
    shift: Estimate | None
    smallest: float | None
    smallest_of_kernel: float | None
    disturbances: Mapping[Which, tuple[Observation, ...]]
    latencies: tuple[LatencyChange, ...] = ()  # of runs under load

    @property
    def regression(self) -> bool:
        """Whether a row, a kernel or a strategy became slower, or its outcomes wrong."""
        words = [*(each.change for each in self.changes), *(each.change for each in self.groups)]
        words += [each.change for each in self.latencies]
        return "regression" in words or "invalid" in words


def compare(old: Run, new: Run) -> Comparison:
    """Return what changed from one run to another."""
    olds, news = _measured(old), _measured(new)
    pairs = {
        cell: (olds[cell], news[cell])
        for cell in olds
        if cell in news and olds[cell].samples and news[cell].samples
    }
    obstacles = {cell: _obstacle(*pair) for cell, pair in pairs.items()}
    rounds = {
        cell: (list(a.makespans_s.values()), list(b.makespans_s.values()))
        for cell, (a, b) in pairs.items()
        if obstacles[cell] is None and min(len(a.samples), len(b.samples)) >= FEWEST_ROUNDS
    }
    judged = judge(rounds, _reference(old, new), new.plan.margin)
    return Comparison(
        old.id,
        new.id,
        tuple(_change(cell, *pair, obstacles[cell], judged) for cell, pair in pairs.items()),
        judged.groups,
        only_old=tuple(cell for cell in olds if cell not in news),
        only_new=tuple(cell for cell in news if cell not in olds),
        other_work=_other_work(old.plan, new.plan),
        differences=_differing(_facts(old.environment), _facts(new.environment)),
        margin=new.plan.margin,
        shift=judged.shift,
        smallest=judged.smallest,
        smallest_of_kernel=judged.smallest_of_kernel,
        disturbances={"old": warnings(old, DISTURBANCES), "new": warnings(new, DISTURBANCES)},
        latencies=latency_changes(old, new, new.plan.margin, FALSE_ALARMS),
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of rows and groups: the rest of each row, its adjusted p-value and its word."""

    rows: Mapping[Cell, tuple[Rest, float, ChangeWord]]
    groups: tuple[Group, ...]
    shift: Estimate | None
    smallest: float | None
    smallest_of_kernel: float | None


def judge(
    rounds: Mapping[Cell, tuple[Sequence[float], Sequence[float]]], reference: float | None, margin: float
) -> Judgement:
    """Return which rows, kernels and strategies changed.

    Args:
        rounds: The makespans of each row's rounds in seconds, old and new.
        reference: The log ratio of the reference loop, new to old; `None` if a run has none.
        margin: The change that counts, as a share.
    """
    ratios: dict[tuple[str, str], dict[Cell, tuple[float, float]]] = {}
    cells: dict[tuple[tuple[str, str], Cell], Cell] = {}
    for cell, sides in rounds.items():
        kernel, row = (cell.stage, cell.kernel), replace(cell, stage="", kernel="")
        ratios.setdefault(kernel, {})[row] = log_ratio(*sides)
        cells[kernel, row] = cell
    rows, kernels = rests(ratios, reference)
    strategies = rests_of_strategies(ratios, reference)
    serial = rests_of_serial_rows(ratios, reference, lambda row: row.strategy == "serial")
    adjusted = holm(
        {key: each.p_value for found in (rows, kernels, strategies) for key, each in found.items()},
        1 - SERIAL_SHARE,
    )
    of_serial = holm({kernel: each.p_value for kernel, each in serial.items()}, SERIAL_SHARE)
    of_kernels = {kernel: adjusted[kernel] for kernel in kernels}
    witnesses = [(kernels, of_kernels, False), (serial, of_serial, True)]
    groups = []
    for kernel, own in ratios.items():
        found = [(p_values[kernel], each[kernel], by) for each, p_values, by in witnesses if kernel in each]
        if found:
            p_value, rest, by_serial = min(found, key=lambda each: each[0])
            word = changed(rest, p_value, margin)
            groups.append(Group(*kernel, None, len(own), word, rest.estimate, by_serial))
    groups += [
        Group(None, None, row, sum(row in each for each in ratios.values()), word, rest.estimate)
        for row, rest in strategies.items()
        for word in (changed(rest, adjusted[row], margin),)
    ]
    return Judgement(
        {
            cells[key]: (rest, adjusted[key], changed(rest, adjusted[key], margin))
            for key, rest in rows.items()
        },
        tuple(group for group in groups if group.change in ("regression", "improvement")),
        shift(ratios, reference),
        _smallest(rows.values(), (1 - SERIAL_SHARE) / len(adjusted)) if rows else None,
        _smallest(serial.values(), SERIAL_SHARE / len(serial)) if serial else None,
    )


def changed(rest: Rest, p_value: float, margin: float, false_alarms: float = FALSE_ALARMS) -> ChangeWord:
    """Return what a rest means whose adjusted p-value is this, if changes count from `margin` on.

    `inconclusive` is what would be a change by itself, but happens among so many rows of the same code; `same` is
    that no change was found.
    """
    if p_value <= false_alarms and abs(rest.log_ratio) > log1p(margin):
        return "regression" if rest.log_ratio > 0 else "improvement"
    perhaps = rest.p_value <= 1 - LEVEL and abs(rest.log_ratio) > log1p(margin)
    return "inconclusive" if perhaps else "same"


def _smallest(rests: Collection[Rest], share: float) -> float:
    return median(rest.smallest(FALSE_ALARMS * share) for rest in rests)


def _reference(old: Run, new: Run) -> float | None:
    sides = [[each.reference_s for each in run.loads if each.reference_s is not None] for run in (old, new)]
    return log_ratio(*sides)[0] if all(sides) else None


def _change(
    cell: Cell, old: CellResult, new: CellResult, obstacle: Observation | None, judged: Judgement
) -> Change:
    rounds = len(old.makespans_s), len(new.makespans_s)
    if obstacle is not None:
        return Change(cell, "invalid", None, *rounds, obstacle=obstacle)
    ratio = unpaired_ratio(list(new.makespans_s.values()), list(old.makespans_s.values()))
    if cell not in judged.rows:
        return Change(cell, "inconclusive", ratio, *rounds)
    rest, p_value, word = judged.rows[cell]
    return Change(cell, word, ratio, *rounds, rest.estimate, p_value)


def _obstacle(old: CellResult, new: CellResult) -> Observation | None:
    for result, which in ((old, "old"), (new, "new")):
        if not result.correct:
            return Observation("incorrect", {"which": which})
        if not result.usable:
            return Observation("nothing completed", {"which": which})
    return Observation("unequal failures") if failed_share(old) != failed_share(new) else None


def _measured(run: Run) -> dict[Cell, CellResult]:
    return {result.cell: result for result in run.cells if result.counted and not result.cell.replica}


def _other_work(old: Plan, new: Plan) -> tuple[Difference, ...]:
    differing = _differing(*({name: getattr(plan, name) for name in WORKLOAD} for plan in (old, new)))
    of_function = old.function is not None and new.function is not None
    return tuple(
        replace(each, fact="inputs") if of_function and each.fact == "images" else each for each in differing
    )


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
