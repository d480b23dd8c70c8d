"""Sentences about COST: with how many slots Celery beats a baseline, and how reliable that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orchestrator.analysis.queueing.stations import StationName
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell
from orchestrator.phrases.cells import cell_name, more_tasks, verb
from orchestrator.phrases.numbers import count, evidence, level, number, percent, seconds

LIMITS: Final[dict[StationName, str]] = {
    "orchestrator": "publishing and collecting limits",
    "broker": "the broker limits",
    "payload": "moving payloads limits",
    "slots": "the slots limit",
    "cpu": "the shared cores limit",
    "window": "the limit on messages in flight keeps",
}


def cost_sentences(costs: Sequence[Cost]) -> tuple[str, ...]:
    """Return a sentence for each stage and baseline, and another if the answer differs on other machines."""
    of_pairs: dict[tuple[str, str], list[str]] = {}
    for cost in costs:
        text = _elsewhere(cost) if cost.elsewhere else _here(cost)
        of_pairs.setdefault((cost.stage, cost.against), []).append(f"{text}.")
    return tuple(map(" ".join, of_pairs.values()))


def winning_slots(cost: Cost) -> str:
    """Say with how many slots Celery wins: `from 3 slots on`, `on 3 slots, but not significantly on 4`."""
    fewest = "" if cost.slots is None else count(round(cost.slots.point), "slot")
    if cost.not_won:
        return f"on {fewest}, but not significantly on {', '.join(map(str, cost.not_won))}"
    return f"from {fewest} on"


def only_here(cost: Cost) -> str:
    """Restrict a `never` to this machine or fleet if its cores are the limit, as others may have more."""
    if cost.limited_by != "cpu":
        return ""
    return " on this machine" if cost.shared else " of this fleet"


def _here(cost: Cost) -> str:
    versus, do = cell_name(cost.versus, "prose"), verb(cost.versus, "does", "do")
    does = "the fastest choice" if cost.against == "best in-process" else "faster than one thread"
    if cost.kind == "measured" and cost.ratio is not None:
        return f"Celery is {does} {winning_slots(cost)} (COST, measured): {_measured(cost, 'is', versus)}"
    if cost.kind == "predicted" and cost.slots is not None:
        return (
            f"Celery should be {does} from {_slots(cost.slots)} on (COST, predicted): {versus} {do} "
            f"{number(cost.versus_per_s)} tasks/s"
        )
    if cost.kind == "never":
        return (
            f"No number of slots{only_here(cost)} would make Celery {does} (COST, predicted): {_limit(cost)}, and "
            f"{versus} already {do} {number(cost.versus_per_s)}"
        )
    if cost.possible_slots is None:
        why = "it has no station times"
        if cost.limited_by is not None:
            why = f"fewer than {FEWEST_ROUNDS} rounds can be compared; use more --rounds"
        if cost.other_load is not None:
            why = f"other processes took {percent(cost.other_load)} of the processors, which lengthens every task"
        return f"This result cannot tell with how many slots Celery would be {does}: {why}"
    fewest = count(round(cost.possible_slots), "slot")
    if cost.possible_slots <= cost.most_measured:
        return f"Celery is not significantly {does} with any measured number of slots{_against_model(cost, fewest)}"
    return (
        f"Celery may be {does} from {fewest} on, or with no number of slots{only_here(cost)} (COST, predicted): "
        f"{_limit(cost)}, about as much as {versus} {do} ({number(cost.versus_per_s)})"
    )


def _measured(cost: Cost, verb: str, versus: str) -> str:
    if cost.ratio is None:
        return ""
    faster = cost.ratio.inverse
    return (
        f"{cell_name(cost.celery, 'prose')} {verb} {number(faster.point)} times as fast as {versus} "
        f"({evidence(faster, cost.rounds)})"
    )


def _against_model(cost: Cost, fewest: str) -> str:
    """Set the best measured cell against the model that expected it to win: the measurement counts."""
    if cost.ratio is None:
        return f"; the queueing model expects it from {fewest} on, and more rounds would decide"
    lost = cost.ratio.low is not None and cost.ratio.low >= 1
    end = "the measurement counts, and the model is too optimistic" if lost else "more rounds would decide"
    measured = _measured(cost, "was", cell_name(cost.versus, "prose"))
    return f": {measured}. The queueing model expects it from {fewest} on; {end}"


def _elsewhere(cost: Cost) -> str:
    where = "on other machines, with a core each,"
    if cost.kind == "predicted" and cost.slots is not None:
        return f"{_slots(cost.slots)} {where} would be enough (predicted)"
    if cost.kind == "never":
        return f"Slots {where} would not be enough either: {_limit(cost)}"
    if cost.limited_by is None:
        return f"Whether slots {where} would be enough is unclear"
    return f"Whether slots {where} would be enough is unclear: {_limit(cost)}, about as much"


def _slots(slots: Estimate) -> str:
    """Return a number of slots, with its interval if that has more than the one number."""
    text = count(round(slots.point), "slot")
    if slots.low is None or slots.high is None or round(slots.low) == round(slots.high) == round(slots.point):
        return text
    return f"{text} ({slots.low:.0f} to {slots.high:.0f}, {level(slots)} interval)"


def _limit(cost: Cost) -> str:
    if cost.limited_by is None or cost.limit_per_s is None:
        return "the limit is not known"
    batch = f"a batch of {count(cost.tasks, 'task')}"
    if cost.limited_by == "latency":
        return (
            f"{batch} takes at least as long as its slowest message, {seconds(cost.tasks / cost.limit_per_s)}, and may "
            f"pay with {more_tasks(cost.stage)}; that limits it to {number(cost.limit_per_s)} tasks/s"
        )
    return f"{LIMITS[cost.limited_by]} {batch} to about {number(cost.limit_per_s)} tasks/s{_with_chunk(cost.celery)}"


def _with_chunk(cell: Cell) -> str:
    return "" if cell.chunk is None else f" with {count(cell.chunk, 'task')} a message"
