"""How long a task must be: the minimum effective task granularity (METG) of each strategy.

METG is the shortest mean task, wall time x slots / tasks, at which a strategy still spends a share (one half) of its
slots' time on the work. Source: Slaughter et al., "Task Bench: a parameterized benchmark for evaluating parallel
runtime performance", SC 2020, sec. IV. Coverage of the interval: benchmarks/statistics/granularity.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.stats.intervals import beyond_one, estimate, paired
from orchestrator.analysis.verdicts.comparability import comparable
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Run

GranularityKind: TypeAlias = Literal["found", "never", "always", "unclear"]
UNDECIDED: Final = (
    1.2  # times the threshold that the longest tasks' efficiency may be, if none is to reach it
)
LEAST_SHARE: Final = 0.1  # of the shorter length: a round's task length is no less, whatever its noise


@dataclass(frozen=True, slots=True)
class WorkPoint:
    """A cell at one task length: seconds a task by round, of the function itself and of a slot."""

    cell: Cell
    own_s: Mapping[int, float]  # serial makespan / tasks
    slot_s: Mapping[int, float]  # makespan x slots / tasks

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds that have both."""
        return paired(self.own_s, self.slot_s)

    @property
    def typical_s(self) -> tuple[float, float]:
        """The medians over the common rounds: of the function itself, and of a slot."""
        return median(self.own_s[r] for r in self.rounds), median(self.slot_s[r] for r in self.rounds)

    @property
    def efficiency(self) -> Estimate | None:
        """The share of the slots' time that is work."""
        return estimate([self.own_s[round_] / self.slot_s[round_] for round_ in self.rounds])

    def side(self, threshold: float) -> int:
        """Return 1 if the efficiency is significantly above a threshold, -1 if below, else 0."""
        share = self.efficiency
        return 0 if share is None else beyond_one(share.scaled(1 / threshold), 0.0)


@dataclass(frozen=True, slots=True)
class Granularity:
    """How long tasks must be for a cell to reach `threshold`, from points of rising length.

    `found` with the function's own time there, `work_s`; `never` significantly above the threshold, and with the
    longest tasks not far above it; `always`, even with the shortest tasks; or `unclear`: too few rounds, or too much
    noise.
    """

    cell: Cell  # without a length
    kind: GranularityKind
    threshold: float
    points: tuple[WorkPoint, ...]
    work_s: Estimate | None = None
    bracket: tuple[WorkPoint, WorkPoint] | None = (
        None  # the lengths between which the efficiency passes the threshold
    )

    @property
    def metg_s(self) -> Estimate | None:
        """The time of a slot per task at the threshold."""
        return None if self.work_s is None else self.work_s.scaled(1 / self.threshold)


def granularities(run: Run) -> tuple[Granularity, ...]:
    """Find how long tasks must be for each cell with several slots, in a run that swept the work."""
    if run.plan.axis != "work":
        return ()
    serial = {
        (result.cell.kernel, result.cell.work_s): result
        for result in run.cells
        if result.cell.strategy == "serial" and result.samples
    }
    series: dict[Cell, list[WorkPoint]] = {}
    for result in run.cells:
        cell = result.cell
        alone = serial.get((cell.kernel, cell.work_s))
        if alone is None or cell.strategy == "serial" or cell.replica or not comparable(result, alone):
            continue
        point = WorkPoint(cell, _task_s(alone), _task_s(result))
        if point.rounds:
            series.setdefault(replace(cell, work_s=None), []).append(point)
    return tuple(
        granularity(cell, sorted(points, key=lambda each: each.cell.work_s or 0.0), run.plan.efficiency)
        for cell, points in series.items()
    )


def granularity(cell: Cell, points: Sequence[WorkPoint], threshold: float) -> Granularity:
    """Find the task length at which the efficiency passes a threshold.

    Args:
        cell: without a length.
        points: in the order of their lengths.
        threshold: a share of the slots' time, such as 0.5.
    """
    sides = [point.side(threshold) for point in points]
    plain = Granularity(cell, "unclear", threshold, tuple(points))
    if not any(side > 0 for side in sides):
        longest = points[-1].efficiency
        known = longest is not None and longest.high is not None and longest.high <= UNDECIDED * threshold
        return replace(plain, kind="never") if known else plain
    first_above = next(index for index, side in enumerate(sides) if side > 0)
    if not any(side < 0 for side in sides[:first_above]):
        return replace(plain, kind="always") if first_above == 0 else plain
    passing = (
        index
        for index in range(first_above, 0, -1)
        if _share(points[index - 1]) < threshold <= _share(points[index])
    )
    above = next(passing, None)
    if above is None:  # the medians do not follow the ratios of the rounds
        return plain
    one, other = points[above - 1], points[above]
    return replace(plain, kind="found", work_s=crossing(one, other, threshold), bracket=(one, other))


def crossing(one: WorkPoint, other: WorkPoint, threshold: float) -> Estimate | None:
    """Return the function's own time at which the efficiency passes a threshold, between two points.

    A slot's time is taken to be linear in the function's between them, g = o + (1 + m) t, and the slope to be the
    same in all rounds. Each round then has its own overhead o, and so its own crossing, g = t / threshold: the figures
    of a cell measured once a round, for which there is an interval.
    """
    (t_one, g_one), (t_other, g_other) = one.typical_s, other.typical_s
    slope = (g_other - g_one) / (t_other - t_one)
    steepness = 1 / threshold - slope
    if steepness <= 0:
        return None
    typical_s = (g_one - slope * t_one) / steepness
    share = min(1.0, max(0.0, (typical_s - t_one) / (t_other - t_one)))
    found = []
    for round_ in sorted(set(one.rounds) & set(other.rounds)):
        overheads = [each.slot_s[round_] - slope * each.own_s[round_] for each in (one, other)]
        overhead_s = (1 - share) * overheads[0] + share * overheads[1]
        found.append(max(LEAST_SHARE * t_one, overhead_s / steepness))
    return estimate(found)


def nearest(run: Run) -> tuple[Cell, ...]:
    """Return the cells on either side of each threshold, and the serial ones that they are compared with."""
    wanted = {point.cell for each in granularities(run) if each.bracket is not None for point in each.bracket}
    lengths = {(cell.kernel, cell.work_s) for cell in wanted}
    return tuple(
        cell
        for cell in run.plan.cells
        if cell in wanted or (cell.strategy == "serial" and (cell.kernel, cell.work_s) in lengths)
    )


def _share(point: WorkPoint) -> float:
    own_s, slot_s = point.typical_s
    return own_s / slot_s


def _task_s(result: CellResult) -> dict[int, float]:
    """Return the seconds of a slot for each task, by round."""
    return {each.round: each.makespan_s * result.cell.slots / each.tasks for each in result.samples}
