"""COST: the fewest slots with which Celery beats a baseline that needs no cluster.

Source: McSherry, Isard & Murray, "Scalability! But at what COST?", HotOS 2015: the Configuration that
Outperforms a Single Thread. If no measured slots do, the queueing model predicts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Final, Literal, TypeAlias

from orchestrator.analysis.queueing.makespan_model import fewest_slots, makespans_s, useful_slots
from orchestrator.analysis.queueing.service_demands import CellDemands, Demands, cores_of
from orchestrator.analysis.queueing.stations import (
    QueueingNetwork,
    StationName,
)
from orchestrator.analysis.stats.bootstrap import bootstrapped, resamples
from orchestrator.analysis.stats.dependence import inflation
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, beyond_one, estimate, paired
from orchestrator.analysis.verdicts.comparability import eligible, obstacle
from orchestrator.analysis.verdicts.selection import Selection, compare_best, select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates, is_celery
from orchestrator.model.findings import Against, Estimate
from orchestrator.model.runs import Cell, CellResult, Run

CostKind: TypeAlias = Literal["measured", "predicted", "never", "unknown"]
Limit: TypeAlias = Literal[StationName, "latency"]

MOST_SLOTS: Final = 10_000  # the model has nothing to say about larger fleets
MOST_TASKS: Final = 500  # of a function's inputs, for which a batch is too short; more take as much longer
DRAWS: Final = 200  # resamples for a predicted number of slots, each of which examines all numbers of slots


@dataclass(frozen=True, slots=True)
class Cost:
    """The fewest slots with which Celery beats a baseline: `helps` by the verdict's rule.

    `kind` is `measured`: with `slots` slots it did, and so did Celery's best cell of all numbers of slots;
    `predicted`: by the queueing model, with an interval over rounds; `never`: `limited_by` keeps Celery at
    `limit_per_s`, with any slots; `unknown`: resamples disagree, measured slots did not win, or other work on the
    machine lengthened every task.
    """

    stage: str
    against: Against
    kind: CostKind
    celery: Cell
    versus: Cell
    versus_per_s: float  # the baseline's tasks a second
    tasks: int  # of the batch that predictions are about
    most_measured: int  # slots
    shared: bool  # whether the slots share the orchestrator's cores
    slots: Estimate | None = None
    ratio: Estimate | None = None  # Celery's time over the baseline's; if unknown, that of the best cell
    rounds: int = 0  # that have both
    not_won: tuple[int, ...] = ()  # larger numbers of slots that were measured and did not win
    possible_slots: float | None = None  # if unknown, the fewest by the model
    limited_by: Limit | None = None
    limit_per_s: float | None = None
    other_load: float | None = (
        None  # share of the processors that other work took, so that no limit is stated
    )
    elsewhere: bool = False  # whether every slot has a core of its own on another machine


def costs(run: Run, stage: str, demands: Demands) -> tuple[Cost, ...]:
    """Find the COST of a stage against each baseline.

    If the cores rule out a win here, the COST with slots on other machines follows. A serial cell that is also the
    best in-process cell is one baseline. Predictions are about the measured batch; those of a user's function are about
    all its inputs, which take the baseline as much longer as they are more.
    """
    found: list[Cost] = []
    best = select_best(_comparable_cells(run, stage, is_celery))
    for against, is_baseline in BASELINES.items():
        theirs = select_best(_comparable_cells(run, stage, is_baseline))
        versus_s = None if theirs is None else estimate(list(theirs.best.makespans_s.values()))
        if best is None or theirs is None or versus_s is None or obstacle(best, theirs) is not None:
            continue
        if any(each.versus == theirs.best.cell for each in found):
            continue
        measured, larger = _enlarged(run, theirs, demands(best.best.cell))
        match = _Match(run, stage, against, best, theirs, versus_s.point, measured, larger)
        here = _measured(match) or _predicted(match, elsewhere=False)
        found.append(here)
        if here.kind != "measured" and here.limited_by == "cpu":
            found.append(_predicted(match, elsewhere=True))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Match:
    """A stage's two sides, and the baseline's makespan."""

    run: Run
    stage: str
    against: Against
    ours: Selection
    theirs: Selection
    versus_s: float  # of the measured batch
    demands: CellDemands | None
    larger: float  # the tasks of `demands` over those of the measured batch

    def cost(self, kind: CostKind) -> Cost:
        """Return a COST with what does not depend on its kind."""
        tasks = self.theirs.best.samples[0].tasks
        celery = _comparable_cells(self.run, self.stage, is_celery)
        return Cost(
            self.stage,
            self.against,
            kind,
            celery=self.ours.best.cell,
            versus=self.theirs.best.cell,
            versus_per_s=tasks / self.versus_s,
            tasks=round(self.larger * tasks),
            most_measured=max(each.cell.slots for each in celery),
            shared=cores_of(self.run)[1],
        )


def _enlarged(run: Run, theirs: Selection, measured: CellDemands | None) -> tuple[CellDemands | None, float]:
    """Return the demands of the batch that predictions are about, and how many times the measured one it is."""
    tasks = theirs.best.samples[0].tasks
    wanted = tasks if run.plan.function is None else max(tasks, min(run.plan.function.tasks, MOST_TASKS))
    if measured is None or wanted == tasks:
        return measured, 1.0
    return measured.with_tasks(wanted), wanted / tasks


def _ratios_by_slots(match: _Match) -> dict[int, tuple[CellResult, Estimate]]:
    """Return Celery's best cell on each number of slots, and its time over the baseline's.

    On the slots of Celery's best cell of all it is the verdict's ratio, so that a pair has one figure.
    """
    celery = _comparable_cells(match.run, match.stage, is_celery)
    found = {}
    for slots in sorted({result.cell.slots for result in celery}):
        on_these = select_best([result for result in celery if result.cell.slots == slots])
        best = match.ours if slots == match.ours.best.cell.slots else on_these
        ratio = None if best is None or obstacle(best, match.theirs) else compare_best(best, match.theirs)
        if best is not None and ratio is not None:
            found[slots] = best.best, ratio
    return found


def _measured(match: _Match) -> Cost | None:
    """Return the COST if measured slots win, and the verdict on Celery's best cell agrees.

    One of many numbers of slots may win by luck; the verdict's rule corrects for the selection.
    """
    ratios = _ratios_by_slots(match)
    won = [slots for slots, (_, each) in ratios.items() if beyond_one(each, match.run.plan.margin) < 0]
    if match.ours.best.cell.slots not in won:
        return None
    best, ratio = ratios[won[0]]
    return replace(
        match.cost("measured"),
        celery=best.cell,
        slots=Estimate(won[0]),
        ratio=ratio,
        rounds=len(paired(best.makespans_s, match.theirs.best.makespans_s)),
        not_won=tuple(slots for slots in ratios if slots > won[0] and slots not in won),
    )


def _predicted(match: _Match, elsewhere: bool) -> Cost:
    """Return the COST that the queueing model predicts, after no measured slots won."""
    unknown = replace(match.cost("unknown"), elsewhere=elsewhere)
    measured = match.demands
    if measured is None:
        return unknown
    network = measured.network(1)
    network = _on_other_machines(network) if elsewhere else network
    least = 1 + match.run.plan.margin
    within_s = match.larger * match.versus_s / least
    fewest = fewest_slots(network, measured.tasks, within_s, MOST_SLOTS) or inf
    versus = {round_: match.larger * each for round_, each in match.theirs.best.makespans_s.items()}
    drawn, wider = _resampled_slots(measured, versus, elsewhere, least)
    name, limit_per_s = _limit(network, measured.tasks)
    limited = replace(unknown, limited_by=name, limit_per_s=limit_per_s)
    spread = bootstrapped(fewest, drawn, len(measured.rounds), wider=wider) if fewest < inf else None
    reached = spread is not None and spread.high != inf
    expected = fewest <= unknown.most_measured and not elsewhere
    if measured.other_load is not None and not reached and not expected:
        return replace(unknown, other_load=measured.other_load)
    if fewest == inf and not drawn:  # too few rounds to know
        return limited
    if fewest == inf and min(drawn) == inf:
        return replace(limited, kind="never")
    if spread is None or not reached or expected:
        possible = replace(limited, possible_slots=min(each for each in (fewest, *drawn) if each < inf))
        return possible if elsewhere else _with_measured_ratio(match, possible)
    return replace(limited, kind="predicted", slots=replace(spread, low=spread.low and max(1.0, spread.low)))


def _with_measured_ratio(match: _Match, cost: Cost) -> Cost:
    ratio = compare_best(match.ours, match.theirs)
    rounds = len(paired(match.ours.best.makespans_s, match.theirs.best.makespans_s))
    return cost if ratio is None else replace(cost, ratio=ratio, rounds=rounds)


def _resampled_slots(
    measured: CellDemands, versus: Mapping[int, float], elsewhere: bool, least: float
) -> tuple[list[float], float]:
    """Return the fewest slots in each resample of the common rounds, and how much wider their interval must be.

    They are infinite if no number is enough.
    """
    rounds = [round_ for round_ in measured.rounds if round_ in versus]
    if len(rounds) < FEWEST_ROUNDS:
        return [], 1.0

    def fewest(drawn: Sequence[int]) -> float:
        network = measured.network(1, measured.resampled(drawn))
        within_s = median(versus[round_] for round_ in drawn) / least
        network = _on_other_machines(network) if elsewhere else network
        return fewest_slots(network, measured.tasks, within_s, MOST_SLOTS) or inf

    wider = inflation([fewest([round_]) for round_ in rounds])
    return [fewest(drawn) for drawn in resamples(rounds, DRAWS)], wider


def _limit(network: QueueingNetwork, tasks: int) -> tuple[Limit, float]:
    """Return what holds a batch with unlimited slots, and its tasks a second.

    That is the station without which the batch would be fastest: a station may be busy for most of the makespan and
    still not be what the batch waits for.
    """
    without: dict[Limit, QueueingNetwork] = {
        "orchestrator": replace(network, publish_s=0.0, collect_s=0.0, flush_s=0.0),
        "latency": replace(network, slot_s=0.0, flight_s=0.0),
        "broker": replace(network, broker_s=0.0),
        "payload": replace(network, payload_s=0.0),
        "cpu": _on_other_machines(network),
    }
    least_s = {name: _least_s(each, tasks) for name, each in without.items()}
    holder = min(least_s, key=lambda name: least_s[name])
    return holder, tasks / _least_s(network, tasks)


def _least_s(network: QueueingNetwork, tasks: int) -> float:
    return float(makespans_s(network, tasks, useful_slots(network, tasks, MOST_SLOTS)).min())


def _comparable_cells(run: Run, stage: str, belongs: Callable[[Cell], bool]) -> tuple[CellResult, ...]:
    return eligible(candidates(run.compared(stage), belongs))


def _on_other_machines(network: QueueingNetwork) -> QueueingNetwork:
    return replace(network, cores=None, shared=False)
