"""What `predict` checks: its options, and whether the result holds what a prediction needs."""

from __future__ import annotations

from orchestrator.analysis.queueing.prediction import (
    HypotheticalFleet,
    MissingDemandsError,
    StagePrediction,
    stage_predictions,
)
from orchestrator.errors import UsageError
from orchestrator.model.runs import Run
from orchestrator.phrases.prediction import missing_demands
from orchestrator.planning.option_checks import check_known, check_number
from orchestrator.planning.options import MAX_IMAGES, MAX_SLOTS


def fleet_of(
    slots: int, rtt_ms: float | None = None, bandwidth_mbit: float | None = None, hosts: int | None = None
) -> HypotheticalFleet:
    """Return the fleet that the options describe, each within its range."""
    check_number("--slots", slots, 1, MAX_SLOTS)
    rtt_s = bytes_per_s = None
    if rtt_ms is not None:
        rtt_s = check_number("--rtt-ms", rtt_ms, 0.0, 60_000.0) / 1e3
    if bandwidth_mbit is not None:
        bytes_per_s = check_number("--bandwidth-mbit", bandwidth_mbit, 0.001, 1e7) * 1e6 / 8
    if hosts is not None:
        check_number("--hosts", hosts, 1, MAX_SLOTS)
    return HypotheticalFleet(slots, rtt_s, bytes_per_s, hosts)


def predictions(
    run: Run, fleet: HypotheticalFleet, tasks: int | None = None, stage: str | None = None
) -> tuple[StagePrediction, ...]:
    """Predict every stage of a result, or one; refuse a result that has not enough for that."""
    if tasks is not None:
        check_number("--tasks", tasks, 1, MAX_IMAGES)
    stages = run.stages if stage is None else (check_known("stage", stage, run.stages),)
    try:
        found = stage_predictions(run, stages, fleet, tasks)
    except MissingDemandsError as error:
        raise UsageError(missing_demands(run.id, error.cell)) from error
    if not found:
        raise UsageError(f"{run.id} has no Celery cell to predict from; measure one with 'orchestrator run'")
    return found
