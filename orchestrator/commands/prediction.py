"""What `predict` says: each stage's best Celery cell on a fleet that is not here."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.analysis.queueing.prediction import Prediction, predict, speedup
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.analysis.verdicts.comparability import eligible, why_not
from orchestrator.analysis.verdicts.selection import select_best
from orchestrator.errors import UsageError
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases import numbers
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.scaling import interval, prediction_sentence
from orchestrator.planning.option_checks import check_known, check_number
from orchestrator.planning.options import MAX_IMAGES, MAX_SLOTS

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
        rtt = None if rtt_ms is None else check_number("--rtt-ms", rtt_ms, 0.0, 60_000.0) / 1e3
        link = (
            None
            if bandwidth_mbit is None
            else check_number("--bandwidth-mbit", bandwidth_mbit, 0.001, 1e7) * 1e6 / 8
        )
        return cls(
            check_number("--slots", slots, 1, MAX_SLOTS),
            rtt,
            link,
            None if hosts is None else check_number("--hosts", hosts, 1, MAX_SLOTS),
            None if tasks is None else check_number("--tasks", tasks, 1, MAX_IMAGES),
            stage,
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """A prediction, the work it is of where a sweep has several, and what did best in-process where it was measured.

    `speedup` is the predicted throughput over that of the best in-process cell.
    """

    prediction: Prediction
    work: str
    versus: Cell | None
    versus_per_s: float | None
    speedup: Estimate | None

    @property
    def name(self) -> str:
        """The stage, and the work where a sweep has several: `pipeline 64x64`."""
        return f"{self.prediction.cell.stage} {self.work}".strip()

    @property
    def sentence(self) -> str:
        """What it would take, and whether that beats what there is."""
        said = f"{self.name}: {prediction_sentence(self.prediction)}"
        if self.versus is None or self.versus_per_s is None or self.speedup is None:
            return said
        return (
            f"{said} In-process, {cell_name(self.versus, 'prose')} did {numbers.number(self.versus_per_s)} tasks/s "
            "here: Celery would "
            f"do {interval(self.speedup)} times that."
        )


def forecasts(run: Run, asked: Asked) -> tuple[Forecast, ...]:
    """A prediction for the best Celery cell of each stage, and of each work that a sweep gave it.

    Raises:
        UsageError: the result has no such stage, or no Celery cell whose stations were timed.
    """
    stages = run.stages if asked.stage is None else (check_known("stage", asked.stage, run.stages),)
    found = [
        forecast
        for stage in stages
        for work in run.works(stage)
        if (forecast := _forecast(run, stage, work, asked)) is not None
    ]
    if not found:
        raise UsageError("the result has no Celery cell to predict from; measure one with 'orchestrator run'")
    return tuple(found)


def _forecast(run: Run, stage: str, work: str, asked: Asked) -> Forecast | None:
    results = run.of_work(stage, work)
    celery = eligible(each for each in results if each.cell.distributed)
    best = select_best([each for each in celery if each.cell.data == "local"] or celery)
    if best is None:
        return None
    theirs = select_best(eligible(each for each in results if not each.cell.distributed))
    theirs = None if theirs is None or why_not(best, theirs) is not None else theirs
    within = None if theirs is None else makespan(theirs.best)
    prediction = predict(
        run,
        best.best.cell,
        asked.slots,
        asked.rtt_s,
        asked.bandwidth_bytes_per_s,
        asked.hosts,
        asked.tasks,
    )
    return Forecast(
        prediction,
        work,
        None if theirs is None else theirs.best.cell,
        None if theirs is None or within is None else theirs.best.samples[0].tasks / within.point,
        None if theirs is None else speedup(prediction, theirs.best),
    )


def render(found: Sequence[Forecast]) -> str:
    """The predictions in sentences, and what they assume: all of them first, then each its own."""
    lines = [line for each in found for line in ("", *textwrap.wrap(each.sentence, WIDTH))][1:]
    first, *others = found
    shared = [
        text
        for text in first.prediction.assumptions
        if all(text in each.prediction.assumptions for each in others)
    ]
    lines += ["", "It is assumed that", *_points(shared)]
    for names, own in _apart(found, shared).items():
        lines += [*textwrap.wrap(f"and of {', '.join(names)} that", WIDTH), *_points(own)]
    return "\n".join(lines)


def _apart(found: Sequence[Forecast], shared: Sequence[str]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """What is assumed of some alone: the names of those of whom the same is, and what that is."""
    names: dict[tuple[str, ...], list[str]] = {}
    for each in found:
        own = tuple(text for text in each.prediction.assumptions if text not in shared)
        names.setdefault(own, []).append(each.name)
    return {tuple(whose): own for own, whose in names.items() if own}


def _points(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(f"- {text}", WIDTH, subsequent_indent="  ")]


def as_document(found: Sequence[Forecast]) -> list[dict[str, Any]]:
    """The predictions for programs."""
    return [
        {
            "stage": each.prediction.cell.stage,
            "cell": asdict(each.prediction.cell),
            "slots": each.prediction.fleet.slots,
            "tasks": each.prediction.tasks,
            "makespan_s": asdict(each.prediction.makespan_s),
            "throughput_per_s": asdict(each.prediction.throughput_per_s),
            "bottleneck": each.prediction.bottleneck,
            "sustained_per_s": each.prediction.sustained_per_s,
            "ceiling_per_s": each.prediction.ceiling_per_s,
            "versus": None if each.versus is None else asdict(each.versus),
            "versus_per_s": each.versus_per_s,
            "assumptions": list(each.prediction.assumptions),
        }
        for each in found
    ]
