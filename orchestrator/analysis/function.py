"""How long all inputs of a user's function would take by each row, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.analysis.queueing.prediction import (
    HypotheticalFleet,
    MissingDemandsError,
    stage_predictions,
)
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.analysis.verdicts.comparability import eligible
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell, CellResult, Function, Run

Trait = Literal["waits", "holds the GIL", "releases the GIL", "computes"]

ELSEWHERE_SLOTS: Final = 8  # predicted where neither waiting nor COST suggests a number
MOST_PREDICTED: Final = 2_000  # tasks that are simulated; more take as much longer
COMPUTES: Final = 0.2  # the share of its time that a function may wait and still count as computing
GAIN_OF_TWO: Final = 1.5  # times as fast, on more threads than one, from which a function releases the GIL
NO_GAIN: Final = 1.15  # times as fast up to which it holds the GIL


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """A row's time for all inputs, extrapolated from its batch, or predicted for slots on other machines."""

    cell: Cell
    total_s: float
    speedup: float | None  # over serial
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class FunctionFindings:
    """The rows, the shortest time first, and what the function was seen to do."""

    function: Function
    batch: int
    rows: tuple[FunctionRow, ...]
    trait: Trait


def function_findings(run: Run, slots_elsewhere: int | None) -> FunctionFindings | None:
    """Return how long all inputs would take by each row; `None` without a function.

    Args:
        run: with a function in its plan.
        slots_elsewhere: from which Celery would be the fastest; `None` if that is not known.
    """
    function = run.plan.function
    if function is None or run.plan.axis == "rate":  # under load no batch was timed
        return None
    times = {
        each.cell: known
        for each in eligible(run.cells)
        if not each.cell.replica and (known := _task_s(each)) is not None
    }
    serial_s = next((each for cell, each in times.items() if cell.strategy == "serial"), None)
    rows = [
        FunctionRow(cell, each * function.tasks, None if serial_s is None else serial_s / each)
        for cell, each in times.items()
    ]
    slots = function.many_slots or slots_elsewhere or ELSEWHERE_SLOTS
    predicted = _predicted(run, function, slots, serial_s)
    return FunctionFindings(
        function,
        run.plan.images,
        tuple(sorted([*rows, *([] if predicted is None else [predicted])], key=lambda row: row.total_s)),
        _trait(function, {row.cell: row.speedup for row in rows if row.speedup is not None}),
    )


def _task_s(result: CellResult) -> float | None:
    time: Estimate | None = makespan(result)
    return None if time is None or not result.samples else time.point / result.samples[0].tasks


def _predicted(run: Run, function: Function, slots: int, serial_s: float | None) -> FunctionRow | None:
    tasks = min(function.tasks, MOST_PREDICTED)
    fleet = HypotheticalFleet(slots, hosts=slots)
    try:
        found = stage_predictions(run, run.stages[:1], fleet, tasks)
    except MissingDemandsError:
        return None
    if not found:
        return None
    prediction = found[0].prediction
    task_s = prediction.makespan_s.point / tasks
    cell = Cell(
        prediction.cell.stage,
        prediction.cell.kernel,
        prediction.cell.strategy,
        slots,
        prediction.cell.transport,
        prediction.cell.chunk,
        prediction.cell.data,
        pool=prediction.cell.pool,
    )
    return FunctionRow(
        cell, task_s * function.tasks, None if serial_s is None else serial_s / task_s, predicted=True
    )


def _trait(function: Function, speedups: dict[Cell, float]) -> Trait:
    if function.waits:
        return "waits"
    threads = [each for cell, each in speedups.items() if cell.strategy == "threads" and cell.slots > 1]
    if threads and function.waiting <= COMPUTES:
        if max(threads) <= NO_GAIN:
            return "holds the GIL"
        if max(threads) >= GAIN_OF_TWO:
            return "releases the GIL"
    return "computes"
