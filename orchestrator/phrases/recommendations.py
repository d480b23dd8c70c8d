"""Recommendations in words: what limits Celery, what a change saves, and what task events cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from orchestrator.analysis.stats.intervals import beyond_one
from orchestrator.analysis.verdicts.recommendations import Advice, Change, EventsCost, Saving
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.numbers import count, evidence, number
from orchestrator.phrases.scaling import bounds_sentence

CAVEATS: Final[dict[Change, str]] = {"data": ", where inputs and outputs may stay in the payload store"}


def advice_sentences(advice: Advice) -> Iterator[str]:
    """Yield the savings of a stage, and last what limits Celery in it."""
    for saving in advice.savings:
        yield f"{saving_sentence(saving)}."
    yield from cost_sentences(advice.costs)
    if advice.bounds is not None:
        yield bounds_sentence(advice.bounds)


def saving_sentence(saving: Saving) -> str:
    """Return what a change saves: `chunk 4 instead of 1 saves 5 ms a task: 2.00 times as fast (...)`."""
    change, better, faster = saving.change, saving.better, saving.ratio.inverse
    value = count(better.slots, "slot") if change == "slots" else f"{change} {getattr(better, change)}"
    return (
        f"{value} instead of {getattr(saving.worse, change)} saves {1e3 * saving.saved_s:.3g} ms a task"
        f"{CAVEATS.get(change, '')}: {number(faster.point)} times as fast ({evidence(faster, saving.rounds)})"
    )


def events_sentence(cost: EventsCost) -> str:
    """Return what task events cost a cell, and whether that may be nothing."""
    where = " ".join(filter(None, (cost.cell.stage, cost.cell.work)))
    cell, more = cell_name(cost.cell, "prose"), _more(cost.ratio.point)
    text = f"{where}: task events cost {cell} {more} ({evidence(cost.ratio, cost.rounds, _more)})"
    side = beyond_one(cost.ratio, 0.0)
    if side > 0:
        return f"{text}, {1e3 * cost.message_s:.2g} ms a message."
    if side < 0:
        return f"{text}: less than nothing, so something else differed, and the cost is unknown."
    return f"{text}, which may be nothing."


def _more(ratio: float) -> str:
    """Return how much longer, in percent: `12 %`, `-0.8 %`."""
    more = 100 * (ratio - 1)
    return f"{more:.0f} %" if abs(more) >= 10 else f"{round(more, 1) + 0.0:.1f} %"
