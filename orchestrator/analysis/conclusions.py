"""What is to be said beside the verdicts: of a curve over slots, of a sweep of the work, and what to change."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.analysis.advice import advice
from orchestrator.analysis.scaling import scaling
from orchestrator.analysis.scaling_sentences import (
    bounds_sentence,
    curve_sentence,
    law_sentence,
    sweep_sentence,
)
from orchestrator.analysis.sweeping import sweeping
from orchestrator.model import Run

SWEEPS = ("size", "latency", "chunk")


def conclusions(run: Run) -> tuple[str, ...]:
    """Plain sentences, each from measured figures, the answer to the command's own question first."""
    if run.plan.axis in SWEEPS:
        return tuple(sweep_sentence(sweep, run) for sweep in sweeping(run).sweeps)
    said = _of_slots(run) if run.plan.axis == "slots" else ()
    return (*said, *(sentence for stage in run.stages for sentence in advice(run, stage)))


def _of_slots(run: Run) -> Iterator[str]:
    found = scaling(run)
    for curve in found.curves:
        yield f"{curve.cell.stage}: {curve_sentence(curve)}"
        if curve.cell.distributed:
            yield f"{curve.cell.stage}: {law_sentence(curve.law)}"
            if curve.bounds is not None:
                yield f"{curve.cell.stage}: {bounds_sentence(curve.bounds)}"
    yield from dict.fromkeys(f"{cost.stage}: {cost.sentence}" for cost in found.costs)
