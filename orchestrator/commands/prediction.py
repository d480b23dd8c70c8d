"""What `predict` checks: its options, and whether the result holds what a prediction needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, get_args

from orchestrator.analysis.load import QUANTILES
from orchestrator.analysis.queueing.open_loop import (
    DEFAULT_TASKS,
    LatencyPredictions,
    Predictor,
    latency_predictions,
)
from orchestrator.analysis.queueing.prediction import (
    HypotheticalFleet,
    MissingDemandsError,
    StagePrediction,
    best_celery,
    stage_predictions,
)
from orchestrator.errors import UsageError
from orchestrator.model.runs import ArrivalProcess, Cell, Run
from orchestrator.phrases.prediction import missing_demands
from orchestrator.planning.load import objective_in, rates_in
from orchestrator.planning.option_checks import check_known, check_number
from orchestrator.planning.options import MAX_IMAGES, MAX_SLOTS

MIN_TASKS, MAX_TASKS = 100, 1_000_000  # of a run whose latency is predicted


def fleet_of(
    slots: int | None,
    rtt_ms: float | None = None,
    bandwidth_mbit: float | None = None,
    hosts: int | None = None,
) -> HypotheticalFleet:
    """Return the fleet that the options describe, each within its range."""
    if slots is None:
        raise UsageError("predict needs --slots, or --rate with --objective to find out how many")
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
    elif run.plan.function is not None:  # as its answer: for all inputs
        tasks = min(run.plan.function.tasks, MAX_IMAGES)
    _check_batches(run)
    stages = run.stages if stage is None else (check_known("stage", stage, run.stages),)
    try:
        found = stage_predictions(run, stages, fleet, tasks)
    except MissingDemandsError as error:
        raise UsageError(missing_demands(run.id, error.cell)) from error
    if not found:
        raise UsageError(f"{run.id} has no Celery cell to predict from; measure one with 'orchestrator run'")
    return found


def latencies(
    run: Run,
    fleet: HypotheticalFleet,
    rates: str,
    slots: int | None = None,
    objective: str | None = None,
    arrivals: str = "poisson",
    tasks: int | None = None,
    stage: str | None = None,
) -> LatencyPredictions:
    """Predict the latency of a stage's tasks at each rate; refuse a result that has not enough for that."""
    _check_batches(run)
    arriving = rates_in(rates)
    promised = None if objective is None else objective_in(objective)
    if slots is None and promised is None:
        raise UsageError("--rate needs --objective, such as p95=0.5, to find the fewest slots, or --slots")
    process = check_known("arrivals", arrivals, get_args(ArrivalProcess))
    count = DEFAULT_TASKS if tasks is None else int(check_number("--tasks", tasks, MIN_TASKS, MAX_TASKS))
    if promised is not None and count < (fewest := QUANTILES[promised.quantile]):
        raise UsageError(
            f"--tasks {count:,} is too few for p{100 * promised.quantile:.0f}; give at least {fewest:,}"
        )
    chosen = check_known("stage", stage, run.stages) if stage is not None else None
    cell = _cell_of_arrivals(run, run.stages if chosen is None else (chosen,))
    try:
        predictor = Predictor(run, cell, fleet, count, cast("ArrivalProcess", process))
    except MissingDemandsError as error:
        raise UsageError(missing_demands(run.id, error.cell)) from error
    return latency_predictions(predictor, arriving, slots, promised)


def _cell_of_arrivals(run: Run, stages: Sequence[str]) -> Cell:
    """Return the best Celery cell with one task a message, of the last of the stages that has one."""
    for stage in reversed(stages):
        best = best_celery(each for each in run.compared(stage) if each.cell.chunk == 1)
        if best is None:
            continue
        if len(works := run.works(stage)) > 1 and best.best.cell.work:
            raise UsageError(
                f"{run.id} varies the work of {run.subject(stage)} ({works[0]} to {works[-1]}), and --rate predicts "
                "for one; give a result of run or scale"
            )
        return best.best.cell
    raise UsageError(
        f"{run.id} has no Celery cell with one task a message, which tasks that arrive need; measure one with "
        "'orchestrator run --chunk 1'"
    )


def _check_batches(run: Run) -> None:
    if run.plan.axis == "rate":
        raise UsageError(
            f"{run.id} is of load, which times no batch to predict from; give a result of run or scale"
        )
