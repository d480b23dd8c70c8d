"""What `predict` says: each stage's best Celery cell on a fleet that is not here."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.analysis.picking import pick
from orchestrator.analysis.prediction import Prediction, predict
from orchestrator.analysis.scaling_sentences import prediction_sentence
from orchestrator.errors import UsageError
from orchestrator.model import Run
from orchestrator.planning import MAX_IMAGES, MAX_SLOTS, known, number, within

WIDTH = 80


@dataclass(frozen=True, slots=True)
class Asked:
    """The fleet to predict, in seconds and bytes; `None` is as measured."""

    slots: int
    rtt_s: float | None
    bandwidth_bytes_per_s: float | None
    hosts: int | None
    tasks: int | None
    stage: str | None

    @classmethod
    def checked(
        cls,
        slots: int,
        rtt_ms: float | None,
        bandwidth_mbit: float | None,
        hosts: int | None,
        tasks: int | None,
        stage: str | None,
    ) -> Asked:
        """From a user's units.

        Raises:
            UsageError: a number makes no sense.
        """
        rtt = None if rtt_ms is None else number("--rtt-ms", rtt_ms, 0.0, 60_000.0) / 1e3
        link = (
            None
            if bandwidth_mbit is None
            else number("--bandwidth-mbit", bandwidth_mbit, 0.001, 1e7) * 1e6 / 8
        )
        return cls(
            within("--slots", slots, 1, MAX_SLOTS),
            rtt,
            link,
            None if hosts is None else within("--hosts", hosts, 1, MAX_SLOTS),
            None if tasks is None else within("--tasks", tasks, 1, MAX_IMAGES),
            stage,
        )


def forecasts(run: Run, asked: Asked) -> tuple[Prediction, ...]:
    """A prediction for each stage's best Celery cell.

    Raises:
        UsageError: the result has no such stage, or no Celery cell whose stations were timed.
    """
    stages = run.stages if asked.stage is None else known("stage", [asked.stage], run.stages)
    found = []
    for stage in stages:
        celery = [
            each for each in run.of_stage(stage) if each.cell.distributed and each.samples and each.sound
        ]
        best = pick([each for each in celery if each.cell.data == "local"] or celery)
        if best is not None:
            cell = best.best.cell
            found.append(
                predict(
                    run, cell, asked.slots, asked.rtt_s, asked.bandwidth_bytes_per_s, asked.hosts, asked.tasks
                )
            )
    if not found:
        raise UsageError("the result has no Celery cell to predict from; measure one with 'orchestrator run'")
    return tuple(found)


def render(found: Sequence[Prediction]) -> str:
    """The predictions in sentences, and what each assumes."""
    lines: list[str] = []
    for each in found:
        lines += textwrap.wrap(prediction_sentence(each), WIDTH)
    assumed = dict.fromkeys(text for each in found for text in each.assumptions)
    lines += ["", "It is assumed that"]
    for text in assumed:
        lines += textwrap.wrap(f"- {text}", WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def as_document(found: Sequence[Prediction]) -> list[dict[str, Any]]:
    """The predictions for programs."""
    return [
        {
            "stage": each.cell.stage,
            "cell": asdict(each.cell),
            "slots": each.fleet.slots,
            "tasks": each.tasks,
            "makespan_s": asdict(each.makespan_s),
            "throughput_per_s": asdict(each.throughput_per_s),
            "bottleneck": each.bottleneck,
            "sustained_per_s": each.sustained_per_s,
            "ceiling_per_s": each.ceiling_per_s,
            "assumptions": list(each.assumptions),
        }
        for each in found
    ]
