"""COST: the fewest slots with which Celery beats what needs no cluster.

Source: McSherry, Isard & Murray, "Scalability! But at what COST?", HotOS 2015: the Configuration that
Outperforms a Single Thread. Where the slots that were measured do not reach it, the stations predict it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal, TypeAlias

import numpy as np

from orchestrator.analysis.demands import MeasuredDemands, demands
from orchestrator.analysis.estimates import FEWEST_ROUNDS, beyond_one, estimate
from orchestrator.analysis.passage import fewest_slots, makespans_s, useful_slots
from orchestrator.analysis.picking import Pick, contest, pick
from orchestrator.analysis.prediction import family
from orchestrator.analysis.resampling import bootstrapped, resamples
from orchestrator.analysis.sentences import count, describe, evidence, figure
from orchestrator.analysis.system import StationName, System, beyond_slots, holding
from orchestrator.analysis.verdicts import BASELINES, Against, contestants
from orchestrator.model import Cell, CellResult, Estimate, Run

CostKind: TypeAlias = Literal["measured", "predicted", "never", "unknown"]
Limit: TypeAlias = Literal[StationName, "latency"]

MOST_SLOTS: Final = 10_000
"""So many slots are looked at; further, nobody knows what else there would be."""

DRAWS: Final = 200
"""Resamples for a predicted number of slots: each looks at all numbers of slots."""

NAMES: Final[dict[Against, str]] = {
    "serial": "one thread",
    "best in-process": "the best in-process cell",
}

WHERE: Final[dict[bool, str]] = {
    False: "here",
    True: "with slots on other machines, a core each",
}

LIMITS: Final[dict[Limit, str]] = {
    "orchestrator": "the orchestrator's one thread",
    "broker": "the broker",
    "payload": "the way of the payloads",
    "slots": "the slots",
    "cpu": "this machine's cores",
    "window": "the messages that may be under way at once",
    "latency": "the way of a single message",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """The fewest slots with which Celery beats a baseline.

    To beat is what a verdict calls `helps`: surely, and by more than the margin. `measured`: with `slots`
    slots it did; the estimate's `low` is the fewest with which the interval reached below 1. `predicted`:
    from the stations, with an interval over rounds. `never`: `bound` holds Celery at `limit_per_s` tasks a
    second, whatever the slots. With `elsewhere` every slot has a core of its own, where here they share this
    machine's.
    """

    stage: str
    against: Against
    kind: CostKind
    sentence: str
    slots: Estimate | None = None
    celery: Cell | None = None
    versus: Cell | None = None
    bound: Limit | None = None
    limit_per_s: float | None = None
    elsewhere: bool = False


def costs(run: Run, stage: str) -> tuple[Cost, ...]:
    """The COST of a stage against each baseline; beside one that the cores forbid, what it is elsewhere."""
    found = []
    best = pick(_sound(run, stage, lambda cell: cell.distributed))
    for against, is_baseline in BASELINES.items():
        theirs = pick(_sound(run, stage, is_baseline))
        if best is None or theirs is None:
            continue
        here = _measured(run, stage, against, theirs) or _predicted(run, stage, against, best, theirs, False)
        found.append(here)
        if here.kind != "measured" and here.bound == "cpu":
            found.append(_predicted(run, stage, against, best, theirs, True))
    return tuple(found)


def ratios_by_slots(run: Run, stage: str, theirs: Pick) -> dict[int, tuple[Cell, Estimate]]:
    """Slots to Celery's best cell with so many, and its time over the baseline's."""
    ours = _sound(run, stage, lambda cell: cell.distributed)
    found = {}
    for slots in sorted({result.cell.slots for result in ours}):
        best = pick([result for result in ours if result.cell.slots == slots])
        against = None if best is None else contest(best, theirs)
        if best is not None and against is not None:
            found[slots] = best.best.cell, against
    return found


def _measured(run: Run, stage: str, against: Against, theirs: Pick) -> Cost | None:
    """The COST where the measured slots reach it."""
    ratios = ratios_by_slots(run, stage, theirs)
    sure = [slots for slots, (_, each) in ratios.items() if beyond_one(each, run.plan.margin) < 0]
    if not sure:
        return None
    cell, won = ratios[sure[0]]
    perhaps = [slots for slots, (_, each) in ratios.items() if each.low is not None and each.low < 1]
    return Cost(
        stage,
        against,
        "measured",
        f"{stage}: {count(sure[0], 'slot')} of {describe(replace(cell, slots=1))} beat {NAMES[against]}, "
        f"{describe(theirs.best.cell)}: {figure(1 / won.point)} times as fast "
        f"({evidence(won.inverse, len(theirs.best.makespans_s))})",
        slots=Estimate(sure[0], min(perhaps), sure[0], won.level),
        celery=cell,
        versus=theirs.best.cell,
    )


def _predicted(run: Run, stage: str, against: Against, ours: Pick, theirs: Pick, elsewhere: bool) -> Cost:
    """What the stations say where no measured number of slots was enough."""
    plain = Cost(stage, against, "unknown", "", None, ours.best.cell, theirs.best.cell, elsewhere=elsewhere)
    measured = demands(family(run, ours.best.cell), run)
    within = estimate(list(theirs.best.makespans_s.values()))
    if measured is None or within is None:
        return replace(plain, sentence=f"{stage}: the result does not tell where Celery's time goes")
    system = _elsewhere(measured.system(1)) if elsewhere else measured.system(1)
    least = 1 + run.plan.margin
    fewest = fewest_slots(system, measured.tasks, within.point / least, MOST_SLOTS) or inf
    drawn = _drawn(measured, theirs.best.makespans_s, elsewhere, least)
    tried = 0 if elsewhere else max(ratios_by_slots(run, stage, theirs), default=0)
    return _judged(plain, measured, system, within.point, fewest, drawn, tried)


def _judged(
    plain: Cost,
    measured: MeasuredDemands,
    system: System,
    within_s: float,
    fewest: float,
    drawn: Sequence[float],
    tried: int,
) -> Cost:
    stage, where = plain.stage, WHERE[plain.elsewhere]
    versus = NAMES[plain.against] + (f" ({describe(plain.versus)})" if plain.versus else "")
    name, limit_per_s = _limit(system, measured.tasks)
    plain = replace(plain, bound=name, limit_per_s=limit_per_s)
    spread = bootstrapped(fewest, drawn, len(measured.rounds)) if fewest < inf else None
    if fewest == inf and (not drawn or min(drawn) == inf):
        return replace(
            plain,
            kind="never",
            sentence=f"{stage}, {where}: never, however many slots: {LIMITS[name]} holds Celery at "
            f"{figure(limit_per_s)} tasks/s, and {versus} does {figure(measured.tasks / within_s)}",
        )
    if spread is None or spread.high == inf:
        least = min((each for each in (fewest, *drawn) if each < inf), default=inf)
        return replace(
            plain,
            sentence=f"{stage}, {where}: from {figure(least)} slots on, or never: {LIMITS[name]} would hold "
            f"Celery at {figure(limit_per_s)} tasks/s, about what {versus} does; more rounds would tell",
        )
    if fewest <= tried:
        return replace(
            plain,
            sentence=f"{stage}, {where}: the stations say {figure(fewest)} slots, and {tried} were measured "
            f"without a sure win over {versus}; measure more rounds",
        )
    interval = "" if spread.low is None else f" ({spread.low:.0f} to {spread.high:.0f}, 95 % interval)"
    return replace(
        plain,
        kind="predicted",
        slots=spread,
        sentence=f"{stage}, {where}: predicted, not measured: {fewest:.0f} slots{interval} would beat {versus}",
    )


def _drawn(
    measured: MeasuredDemands, baseline: Mapping[int, float], elsewhere: bool, least: float
) -> list[float]:
    """The fewest slots in each resample of the rounds that both sides have; infinite where none are enough."""
    rounds = [round_ for round_ in measured.rounds if round_ in baseline]
    if len(rounds) < FEWEST_ROUNDS:
        return []
    found = []
    for drawn in resamples(rounds, DRAWS):
        system = measured.system(1, measured.drawn(drawn))
        within_s = float(np.median([baseline[round_] for round_ in drawn])) / least
        system = _elsewhere(system) if elsewhere else system
        found.append(fewest_slots(system, measured.tasks, within_s, MOST_SLOTS) or inf)
    return found


def _limit(system: System, tasks: int) -> tuple[Limit, float]:
    """What holds a batch when there are slots without end, and the tasks a second that it then gets through."""
    least_s = float(makespans_s(system, tasks, useful_slots(system, tasks, MOST_SLOTS)).min())
    station = holding(beyond_slots(system), system)
    name: Limit = station.name if 2 * tasks / station.limit_per_s > least_s else "latency"
    return name, tasks / least_s


def _sound(run: Run, stage: str, belongs: Callable[[Cell], bool]) -> tuple[CellResult, ...]:
    """The cells of one side whose times may stand."""
    return tuple(each for each in contestants(run.of_stage(stage), belongs) if each.sound)


def _elsewhere(system: System) -> System:
    """The system with a core for every slot, none of them the orchestrator's."""
    return replace(system, cores=None, shared=False)
