"""Sentences beside the verdicts: on slots, on a sweep, on task events, and on what to change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.queueing.bounds import bounds
from orchestrator.analysis.queueing.service_demands import service_demands, slot_series
from orchestrator.analysis.scaling.curves import uneven_slots
from orchestrator.analysis.scaling.sweep import AXES, Sweep
from orchestrator.model.runs import Run
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.recommendations import advice_sentences, events_sentence
from orchestrator.phrases.scaling import bounds_sentence, curve_sentences, uneven_slots_sentence
from orchestrator.phrases.sweep import distinct, sweep_sentence, value_name


def recommendations(findings: Findings) -> tuple[str, ...]:
    """Return the answer to the command's own question, then what to change."""
    return (*answers(findings), *changes(findings))


def answers(findings: Findings) -> tuple[str, ...]:
    """Return from where on Celery pays on a swept axis, or the curves over slots with their COST."""
    run = findings.run
    if run.plan.axis in AXES:
        return tuple(f"{each.stage}: {sweep_sentence(each, run)}" for each in distinct(findings.sweeps))
    return tuple(_of_slots(findings)) if run.plan.axis == "slots" else ()


def changes(findings: Findings) -> tuple[str, ...]:
    """Return what limits Celery, which measured changes help, and what task events cost."""
    if findings.run.plan.axis in AXES:
        said = tuple(_limits(findings.run, distinct(findings.sweeps)))
    else:
        said = tuple(
            f"{stage}: {text}" for stage, each in findings.advice.items() for text in advice_sentences(each)
        )
    return (*said, *map(events_sentence, findings.events_costs))


def _limits(run: Run, found: Sequence[Sweep]) -> Iterator[str]:
    """Say what limits Celery at the least swept work, except for stages in which it always pays."""
    least = {
        sweep.stage: sweep for sweep in found if not (sweep.found.everywhere and sweep.found.kind == "always")
    }
    for stage, sweep in least.items():
        cell = sweep.celery[0]
        measured = service_demands(slot_series(run, cell), run)
        if measured is not None:
            where = value_name(sweep, run, sweep.found.low)
            yield f"{stage}, {where}: {bounds_sentence(bounds(measured, cell.slots))}"


def _of_slots(findings: Findings) -> Iterator[str]:
    run, found = findings.run, findings.scaling
    for stage in run.stages:
        uneven = uneven_slots(run, found.of_stage(stage))
        said = (
            *curve_sentences(found.of_stage(stage)),
            *([uneven_slots_sentence(run.plan.images, uneven)] if uneven else []),
            *cost_sentences(found.of_costs(stage)),
        )
        yield from (f"{stage}: {text}" for text in said)
