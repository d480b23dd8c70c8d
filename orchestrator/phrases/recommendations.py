"""Sentences beside the verdicts: on slots, on a sweep, on what to change, and on task events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import Final

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.scaling.ceiling import Ceiling
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.analysis.scaling.sweep import AXES, distinct
from orchestrator.analysis.stats.intervals import beyond_one
from orchestrator.analysis.verdicts.recommendations import Advice, Change, EventsCost, Saving
from orchestrator.model.runs import Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.granularity import granularity_sentence
from orchestrator.phrases.numbers import count, evidence, number
from orchestrator.phrases.scaling import (
    bounds_sentence,
    ceiling_sentence,
    curve_sentences,
    other_load_sentence,
    uneven_slots_sentence,
)
from orchestrator.phrases.sweep import sweep_sentence, value_name

CAVEATS: Final[dict[Change, str]] = {
    "data": ", where inputs and outputs may stay in the payload store",
    "pool": ", where no task needs a time limit, which only prefork enforces",
}


def conclusions(findings: Findings) -> tuple[str, ...]:
    """Return the answer to the command's own question, then what to change."""
    return (*answers(findings), *changes(findings))


def answers(findings: Findings) -> tuple[str, ...]:
    """Return from where on Celery pays on a swept axis, or the curves over slots with their COST."""
    run = findings.run
    if run.plan.axis in AXES:
        lengths = tuple(f"spin: {granularity_sentence(each)}" for each in findings.granularities)
        where = tuple(
            f"{run.subject(each.stage)}: {sweep_sentence(each, run)}" for each in distinct(findings.sweeps)
        )
        return (*lengths, *where)
    return tuple(_of_slots(findings)) if run.plan.axis == "slots" else ()


def changes(findings: Findings) -> tuple[str, ...]:
    """Return what limits Celery, which measured changes help, and what task events cost."""
    if findings.run.plan.axis in AXES:
        said = tuple(
            f"{findings.run.subject(each.sweep.stage)}, {value_name(each.sweep, findings.run, each.sweep.found.low)}: "
            f"{bounds_sentence(each.bounds)}"
            for each in findings.sweep_limits
        )
    else:
        said = tuple(
            f"{findings.run.subject(stage)}: {text}"
            for stage, each in findings.advice.items()
            for text in advice_sentences(each)
        )
    return (*said, *map(events_sentence, findings.events_costs))


def _of_slots(findings: Findings) -> Iterator[str]:
    run, found = findings.run, findings.scaling
    for stage in run.stages:
        uneven = found.uneven_slots.get(stage)
        said = (
            *curve_sentences(found.curves_of(stage)),
            *(
                f"{_kind(each)}: {ceiling_sentence(each)}"
                for each in found.ceilings_of(stage)
                if each.any_chunk
            ),
            *([other_load_sentence(found.other_load)] if found.other_load is not None else []),
            *([uneven_slots_sentence(stage, run.plan.images, uneven)] if uneven else []),
            *cost_sentences(found.costs_of(stage)),
            *_more_workers(run, found.costs_of(stage)),
        )
        yield from (f"{run.subject(stage)}: {text}" for text in said)


def _kind(ceiling: Ceiling) -> str:
    """The name of the cells of a ceiling, which differ in slots and chunk."""
    return cell_name(replace(ceiling.cell, slots=1, chunk=None), "prose")


def _more_workers(run: Run, costs: Sequence[Cost]) -> Iterator[str]:
    """Yield how Compose starts the slots with which Celery should win."""
    for cost in costs:
        if run.environment.compose and cost.kind == "predicted" and cost.slots and not cost.elsewhere:
            workers = ceil(round(cost.slots.point) / run.environment.workers[0].slots)
            yield f"for that many slots: 'docker compose up --scale worker={workers}', or WORKERS={workers} in .env."
            return


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
    where = " ".join(filter(None, (cost.cell.subject, cost.cell.work)))
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
