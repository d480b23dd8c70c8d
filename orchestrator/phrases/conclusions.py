"""What is to be said beside the verdicts: of a curve over slots, of a sweep, of task events, and what to change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.queueing.bounds import bounds
from orchestrator.analysis.queueing.service_demands import service_demands, slot_series
from orchestrator.analysis.scaling.curves import part_filled
from orchestrator.analysis.scaling.sweep import AXES, Sweep
from orchestrator.model.runs import Run
from orchestrator.phrases.cost import cost_sentences
from orchestrator.phrases.recommendations import advice_sentences, events_sentence
from orchestrator.phrases.scaling import bounds_sentence, curve_sentences, turns_sentence
from orchestrator.phrases.sweep import distinct, place_name, sweep_sentence


def recommendations(findings: Findings) -> tuple[str, ...]:
    """Plain sentences, each from measured figures, the answer to the command's own question first."""
    return (*answers(findings), *changes(findings))


def answers(findings: Findings) -> tuple[str, ...]:
    """What the command was asked: of a sweep from where Celery pays, of slots the curves and the COST."""
    run = findings.run
    if run.plan.axis in AXES:
        return tuple(f"{each.stage}: {sweep_sentence(each, run)}" for each in distinct(findings.sweeps))
    return tuple(_of_slots(findings)) if run.plan.axis == "slots" else ()


def changes(findings: Findings) -> tuple[str, ...]:
    """What holds Celery back, what was measured to change it, and what task events cost."""
    if findings.run.plan.axis in AXES:
        said = tuple(_in_the_way(findings.run, distinct(findings.sweeps)))
    else:
        said = tuple(
            f"{stage}: {text}" for stage, each in findings.advice.items() for text in advice_sentences(each)
        )
    return (*said, *map(events_sentence, findings.events_costs))


def _in_the_way(run: Run, sweeps: Sequence[Sweep]) -> Iterator[str]:
    """What holds Celery back where the swept work is least; nothing of a stage that pays wherever it was tested."""
    least = {
        sweep.stage: sweep
        for sweep in sweeps
        if not (sweep.found.everywhere and sweep.found.kind == "always")
    }
    for stage, sweep in least.items():
        cell = sweep.celery[0]
        measured = service_demands(slot_series(run, cell), run)
        if measured is not None:
            where = place_name(sweep, run, sweep.found.low)
            yield f"{stage}, {where}: {bounds_sentence(bounds(measured, cell.slots))}"


def _of_slots(findings: Findings) -> Iterator[str]:
    """Of each stage its curves, Celery's law and bounds, and last the COST."""
    run, found = findings.run, findings.scaling
    for stage in run.stages:
        idle = part_filled(run, found.of_stage(stage))
        said = (
            *curve_sentences(found.of_stage(stage)),
            *([f"{turns_sentence(run.plan.images, idle)}."] if idle else []),
            *cost_sentences(found.of_costs(stage)),
        )
        yield from (f"{stage}: {text}" for text in said)
