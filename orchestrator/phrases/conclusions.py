"""Sentences beside the verdicts: on slots, on a sweep, on task events, and on what to change."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.scaling.sweep import AXES, distinct
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.recommendations import advice_sentences, events_sentence
from orchestrator.phrases.scaling import bounds_sentence, curve_sentences, uneven_slots_sentence
from orchestrator.phrases.sweep import sweep_sentence, value_name


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
        said = tuple(_limits(findings))
    else:
        said = tuple(
            f"{stage}: {text}" for stage, each in findings.advice.items() for text in advice_sentences(each)
        )
    return (*said, *map(events_sentence, findings.events_costs))


def _limits(findings: Findings) -> Iterator[str]:
    for each in findings.sweep_limits:
        lowest = value_name(each.sweep, findings.run, each.sweep.found.low)
        yield f"{each.sweep.stage}, {lowest}: {bounds_sentence(each.bounds)}"


def _of_slots(findings: Findings) -> Iterator[str]:
    run, found = findings.run, findings.scaling
    for stage in run.stages:
        uneven = found.uneven_slots.get(stage)
        said = (
            *curve_sentences(found.curves_of(stage)),
            *([uneven_slots_sentence(run.plan.images, uneven)] if uneven else []),
            *cost_sentences(found.costs_of(stage)),
        )
        yield from (f"{stage}: {text}" for text in said)
