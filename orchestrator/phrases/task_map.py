"""The sentence below the map."""

from __future__ import annotations

from math import ceil
from typing import Final

from orchestrator.analysis.scaling.task_map import Border, TaskMap
from orchestrator.model.findings import Answer, Estimate, StageAnswer
from orchestrator.phrases.answer import CHOICES
from orchestrator.phrases.numbers import count, percent, seconds

MOST_SLOTS: Final = 1000  # more are as good as none


def map_sentence(found: TaskMap, answer: Answer) -> str:
    """Say from how many slots elsewhere Celery finishes first, for the stage's own tasks or for the lengths swept.

    Where the answer of the run says something else about the stage, the sentence says why.
    """
    if found.work_s is not None:
        own_s = found.work_s
        nearest = min(found.borders, key=lambda each: max(each.length_s / own_s, own_s / each.length_s))
        here = (
            f"A task of {found.subject} takes {seconds(found.work_s)}: {_here(nearest)}; {_celery(nearest)}."
        )
        stage = next((each for each in answer.stages if each.stage == found.stage), None)
        return here if stage is None else here + _unlike_answer(nearest, stage)
    reached = [each for each in found.borders if each.slots is not None]
    if not reached:
        return "Celery finishes first at no length of a task and with no number of slots."
    return (
        f"With tasks of {seconds(reached[0].length_s)} or more, Celery finishes first with enough slots; with tasks of "
        f"{seconds(found.borders[-1].length_s)}, {_celery(found.borders[-1])}."
    )


def _unlike_answer(border: Border, stage: StageAnswer) -> str:
    """Return why the answer has another number of slots than the map; empty if it has none or the same."""
    enough = None if border.slots is None else ceil(border.slots.point)
    if stage.elsewhere == "predicted" and stage.wins_from_slots_elsewhere != enough:
        says = count(stage.wins_from_slots_elsewhere or 0, "slot")
    elif stage.elsewhere == "never" and enough is not None:
        says = "no number of slots"
    else:
        return ""
    return (
        f" The answer says {says}: it is about the batch of this run, which must be {percent(stage.verdict.margin)} "
        "faster than every row, and the map about a long batch and the rows of this kernel."
    )


def slots_range(slots: Estimate) -> str:
    """Return the interval of a border in whole slots: `2 to 5`, `2 or more` where no number may be enough."""
    low, high = ceil(slots.low or slots.point), ceil(slots.high or slots.point)
    return f"{low} or more" if high > MOST_SLOTS else f"{low} to {high}"


def _here(border: Border) -> str:
    return f"{CHOICES.get(border.here, border.here)} finishes first on this machine".replace(
        "threads finishes", "threads finish"
    ).replace("processes finishes", "processes finish")


def _celery(border: Border) -> str:
    slots = border.slots
    if slots is None:
        return "no number of slots on other machines would make Celery first"
    within = "" if slots.low is None or slots.high is None else f" ({slots_range(slots)})"
    return f"Celery would finish first from {count(ceil(slots.point), 'slot')} on other machines{within}, by the model"
