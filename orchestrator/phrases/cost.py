"""COST in words: with how many slots Celery beats what needs no cluster, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orchestrator.analysis.queueing.stations import StationName
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.model.findings import Estimate
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.numbers import count, evidence, number

HOLDS: Final[dict[StationName, str]] = {
    "orchestrator": "the orchestrator's one thread holds",
    "broker": "the broker holds",
    "payload": "the way of the payloads holds",
    "slots": "the slots hold",
    "cpu": "the cores that all slots share hold",
    "window": "how many messages may be under way at once holds",
}


def cost_sentences(costs: Sequence[Cost]) -> tuple[str, ...]:
    """One sentence for each stage and baseline: here, and where that differs, on other machines."""
    said = []
    for here in costs:
        if not here.elsewhere:
            same = (here.stage, here.against)
            apart = [each for each in costs if each.elsewhere and (each.stage, each.against) == same]
            said.append(" ".join(f"{text}." for text in (_here(here), *map(_elsewhere, apart))))
    return tuple(said)


def winning_slots(cost: Cost) -> str:
    """With how many slots Celery wins: `from 3 slots on`, unless more that were measured do not win surely."""
    fewest = "" if cost.slots is None else count(round(cost.slots.point), "slot")
    return (
        f"on {fewest}, but not surely on {', '.join(map(str, cost.not_won))}"
        if cost.not_won
        else f"from {fewest} on"
    )


def _here(cost: Cost) -> str:
    name = "one thread" if cost.against == "serial" else "the best in-process cell"
    who = f"{name} ({cell_name(cost.versus, 'prose')}, {number(cost.versus_per_s)} tasks/s)"
    if cost.kind == "measured" and cost.slots is not None and cost.ratio is not None:
        faster = cost.ratio.inverse
        return (
            f"Celery beats {who} {winning_slots(cost)} (COST, measured: "
            f"{cell_name(cost.celery, 'prose')} is {number(faster.point)} times as fast; "
            f"{evidence(faster, cost.rounds)})"
        )
    if cost.kind == "predicted" and cost.slots is not None:
        return f"Celery should beat {who} from {_slots(cost.slots)} on (COST, predicted, not measured)"
    if cost.kind == "never":
        return (
            f"Celery would beat {who} at no number of slots{here_alone(cost)} (COST, predicted, not measured): "
            f"{_held(cost)}"
        )
    if cost.perhaps is None:
        return f"Whether more slots of Celery beat {who} this result does not tell: it has no times of its stations"
    fewest = count(round(cost.perhaps), "slot")
    if cost.perhaps <= cost.tried:
        return f"No number of slots that was measured surely beats {who}{_against_the_model(cost, fewest)}"
    return (
        f"Celery may beat {who} from {fewest} on, or never{here_alone(cost)} (COST, predicted, not measured): "
        f"{_held(cost)}, about as much"
    )


def here_alone(cost: Cost) -> str:
    """Where nothing helps, if that is only here: cores can be had elsewhere, what else holds is the same there."""
    if cost.bound != "cpu":
        return ""
    return " on this machine" if cost.shared else " of this fleet"


def _against_the_model(cost: Cost, fewest: str) -> str:
    """What the best measured cell did, beside what its stations had promised: the one is seen, the other thought."""
    if cost.ratio is None:
        return f"; a model of its stations, not measured, has it win from {fewest} on; more rounds would tell"
    faster = cost.ratio.inverse
    celery = cell_name(cost.celery, "prose")
    measured = f"{celery} was {number(faster.point)} times as fast ({evidence(faster, cost.rounds)})"
    surely_not = faster.high is not None and faster.high <= 1
    end = "what was measured counts, and the model is too hopeful" if surely_not else "more rounds would tell"
    return f": {measured}. A model of its stations, not measured, has it win from {fewest} on; {end}"


def _elsewhere(cost: Cost) -> str:
    where = "With slots on other machines, a core each,"
    if cost.kind == "predicted" and cost.slots is not None:
        return f"{where} {_slots(cost.slots)} would do (predicted, not measured)"
    if cost.kind == "never":
        return f"{where} none would do either: {_held(cost)}"
    return f"{where} it cannot be told yet: {_held(cost)}, about as much"


def _slots(found: Estimate) -> str:
    """Slots with their interval, where that holds more than the one number."""
    text = count(round(found.point), "slot")
    if found.low is None or found.high is None or round(found.low) == round(found.high) == round(found.point):
        return text
    return f"{text} ({found.low:.0f} to {found.high:.0f}, 95 % interval)"


def _held(cost: Cost) -> str:
    if cost.bound is None or cost.limit_per_s is None:
        return "what holds it is not known"
    if cost.bound == "latency":
        way_s = cost.tasks / cost.limit_per_s
        return (
            f"no batch of {count(cost.tasks, 'task')} takes less than a single message's way, {1e3 * way_s:.3g} ms; "
            "with more --images it may pay"
        )
    return f"{HOLDS[cost.bound]} a batch of {count(cost.tasks, 'task')} at {number(cost.limit_per_s)} tasks/s"
