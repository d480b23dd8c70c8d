"""COST: the fewest slots with which Celery beats what needs no cluster.

Source: McSherry, Isard & Murray, "Scalability! But at what COST?", HotOS 2015: the Configuration that
Outperforms a Single Thread. Where the slots that were measured do not reach it, the stations predict it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal, TypeAlias

import numpy as np

from orchestrator.analysis.queueing.makespan_model import fewest_slots, makespans_s, useful_slots
from orchestrator.analysis.queueing.service_demands import CellDemands, cores_of, service_demands, slot_series
from orchestrator.analysis.queueing.stations import (
    QueueingNetwork,
    StationName,
    limiting_station,
    stations_besides_slots,
)
from orchestrator.analysis.stats.bootstrap import bootstrapped, resamples
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, beyond_one, estimate, paired
from orchestrator.analysis.verdicts.comparability import eligible, obstacle
from orchestrator.analysis.verdicts.selection import Selection, compare_best, select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates
from orchestrator.model.findings import Against, Estimate
from orchestrator.model.runs import Cell, CellResult, Run

CostKind: TypeAlias = Literal["measured", "predicted", "never", "unknown"]
Limit: TypeAlias = Literal[StationName, "latency"]

MOST_SLOTS: Final = 10_000
"""So many slots are looked at; further, nobody knows what else there would be."""

DRAWS: Final = 200
"""Resamples for a predicted number of slots: each looks at all numbers of slots."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The fewest slots with which Celery beats a baseline.

    To beat is what a verdict calls `helps`: surely, and by more than the margin. `measured`: with `slots`
    slots it did, by `ratio` (of its time to the baseline's) in `rounds` rounds that have both, and Celery's
    best of all numbers of slots did, by the verdict's own rule; `not_won` are the larger numbers measured
    with which it did not. `predicted`: from the stations, with an interval over rounds. `never`: `bound`
    holds Celery at `limit_per_s` tasks a second, whatever the slots. `unknown`: `perhaps` slots, by the
    stations, but resamples disagree or measured slots did not win (`ratio` and `rounds` are then those of the
    best cell measured); `None` where the result has no times of stations. `versus_per_s` is what the baseline
    does, in tasks a second, with a batch of `tasks`, and `tried` the most slots measured. With `elsewhere`
    every slot has a core of its own, where here they share this machine's (`shared`).
    """

    stage: str
    against: Against
    kind: CostKind
    celery: Cell
    versus: Cell
    versus_per_s: float
    tasks: int
    tried: int
    shared: bool
    slots: Estimate | None = None
    ratio: Estimate | None = None
    rounds: int = 0
    not_won: tuple[int, ...] = ()
    perhaps: float | None = None
    bound: Limit | None = None
    limit_per_s: float | None = None
    elsewhere: bool = False


def costs(run: Run, stage: str) -> tuple[Cost, ...]:
    """The COST of a stage against each baseline; beside one that the cores forbid, what it is elsewhere.

    Where the best in-process cell is the serial one, the two baselines are one.
    """
    found: list[Cost] = []
    best = select_best(_able(run, stage, _distributed))
    for against, is_baseline in BASELINES.items():
        theirs = select_best(_able(run, stage, is_baseline))
        within = None if theirs is None else estimate(list(theirs.best.makespans_s.values()))
        if best is None or theirs is None or within is None or obstacle(best, theirs) is not None:
            continue
        if any(each.versus == theirs.best.cell for each in found):
            continue
        match = _Match(run, stage, against, best, theirs, within.point)
        here = _measured(match) or _predicted(match, elsewhere=False)
        found.append(here)
        if here.kind != "measured" and here.bound == "cpu":
            found.append(_predicted(match, elsewhere=True))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Match:
    """A stage's two sides, and how long the baseline takes for a batch."""

    run: Run
    stage: str
    against: Against
    ours: Selection
    theirs: Selection
    within_s: float

    def cost(self, kind: CostKind) -> Cost:
        """A COST of this kind, with what does not depend on it."""
        tasks = self.theirs.best.samples[0].tasks
        return Cost(
            self.stage,
            self.against,
            kind,
            celery=self.ours.best.cell,
            versus=self.theirs.best.cell,
            versus_per_s=tasks / self.within_s,
            tasks=tasks,
            tried=max(each.cell.slots for each in _able(self.run, self.stage, _distributed)),
            shared=cores_of(self.run)[1],
        )


def _distributed(cell: Cell) -> bool:
    return cell.distributed


def ratios_by_slots(match: _Match) -> dict[int, tuple[CellResult, Estimate]]:
    """Slots to Celery's best cell with so many, and its time over the baseline's.

    With the slots of Celery's best cell of all it is the verdict's ratio, so that a pair has one figure.
    """
    ours = _able(match.run, match.stage, _distributed)
    found = {}
    for slots in sorted({result.cell.slots for result in ours}):
        with_so_many = select_best([result for result in ours if result.cell.slots == slots])
        best = match.ours if slots == match.ours.best.cell.slots else with_so_many
        against = None if best is None or obstacle(best, match.theirs) else compare_best(best, match.theirs)
        if best is not None and against is not None:
            found[slots] = best.best, against
    return found


def _measured(match: _Match) -> Cost | None:
    """The COST where the measured slots reach it, and the verdict on the best of them agrees.

    One of many numbers of slots may win by luck; the verdict's rule makes good for the picking.
    """
    ratios = ratios_by_slots(match)
    sure = [slots for slots, (_, each) in ratios.items() if beyond_one(each, match.run.plan.margin) < 0]
    if match.ours.best.cell.slots not in sure:
        return None
    best, won = ratios[sure[0]]
    return replace(
        match.cost("measured"),
        celery=best.cell,
        slots=Estimate(sure[0]),
        ratio=won,
        rounds=len(paired(best.makespans_s, match.theirs.best.makespans_s)),
        not_won=tuple(slots for slots in ratios if slots > sure[0] and slots not in sure),
    )


def _predicted(match: _Match, elsewhere: bool) -> Cost:
    """What the stations say where no measured number of slots was enough."""
    unknown = replace(match.cost("unknown"), elsewhere=elsewhere)
    measured = service_demands(slot_series(match.run, match.ours.best.cell), match.run)
    if measured is None:
        return unknown
    system = _elsewhere(measured.network(1)) if elsewhere else measured.network(1)
    least = 1 + match.run.plan.margin
    fewest = fewest_slots(system, measured.tasks, match.within_s / least, MOST_SLOTS) or inf
    drawn = _drawn(measured, match.theirs.best.makespans_s, elsewhere, least)
    name, limit_per_s = _limit(system, measured.tasks)
    bound = replace(unknown, bound=name, limit_per_s=limit_per_s)
    if fewest == inf and (not drawn or min(drawn) == inf):
        return replace(bound, kind="never")
    spread = bootstrapped(fewest, drawn, len(measured.rounds)) if fewest < inf else None
    if spread is None or spread.high == inf or (fewest <= unknown.tried and not elsewhere):
        likely = replace(bound, perhaps=min(each for each in (fewest, *drawn) if each < inf))
        return likely if elsewhere else _with_what_was_measured(match, likely)
    return replace(bound, kind="predicted", slots=spread)


def _with_what_was_measured(match: _Match, cost: Cost) -> Cost:
    """The COST with what Celery's best cell of all numbers of slots did against the baseline."""
    against = compare_best(match.ours, match.theirs)
    rounds = len(paired(match.ours.best.makespans_s, match.theirs.best.makespans_s))
    return cost if against is None else replace(cost, ratio=against, rounds=rounds)


def _drawn(
    measured: CellDemands, baseline: Mapping[int, float], elsewhere: bool, least: float
) -> list[float]:
    """The fewest slots in each resample of the rounds that both sides have; infinite where none are enough."""
    rounds = [round_ for round_ in measured.rounds if round_ in baseline]
    if len(rounds) < FEWEST_ROUNDS:
        return []
    found = []
    for drawn in resamples(rounds, DRAWS):
        system = measured.network(1, measured.resampled(drawn))
        within_s = float(np.median([baseline[round_] for round_ in drawn])) / least
        system = _elsewhere(system) if elsewhere else system
        found.append(fewest_slots(system, measured.tasks, within_s, MOST_SLOTS) or inf)
    return found


def _limit(system: QueueingNetwork, tasks: int) -> tuple[Limit, float]:
    """What holds a batch when there are slots without end, and the tasks a second that it then gets through.

    Cores that hold a long batch do not hold this one if it would be no quicker with a core for every slot.
    """
    least_s = _least_s(system, tasks)
    station = limiting_station(stations_besides_slots(system), system)
    if station.name == "cpu" and _least_s(_elsewhere(system), tasks) >= least_s:
        return _limit(_elsewhere(system), tasks)
    name: Limit = station.name if 2 * tasks / station.limit_per_s > least_s else "latency"
    return name, tasks / least_s


def _least_s(system: QueueingNetwork, tasks: int) -> float:
    """The least that a batch takes, whatever the slots."""
    return float(makespans_s(system, tasks, useful_slots(system, tasks, MOST_SLOTS)).min())


def _able(run: Run, stage: str, belongs: Callable[[Cell], bool]) -> tuple[CellResult, ...]:
    """The cells of one side whose times may be compared with each other."""
    return eligible(candidates(run.of_stage(stage), belongs))


def _elsewhere(system: QueueingNetwork) -> QueueingNetwork:
    """The system with a core for every slot, none of them the orchestrator's."""
    return replace(system, cores=None, shared=False)
