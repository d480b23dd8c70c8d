"""Do predictions hold for tasks that take unequally long? Measures 1 to 3 slots, predicts 4 to 8, measures those.

    python benchmarks/statistics/unequal_tasks.py [--quick] [--update-docs]

Celery's tasks sleep: every eighth for 300 ms and the others for 30 (two-point), or for times drawn from an exponential
or a lognormal distribution (of a standard deviation of 1 on its logarithm), with a mean of 60 ms. The same tasks are
predicted on more slots, and three times as many new ones of the same distribution, another draw in each round. Goal:
the median of the absolute errors is at most 10 %, and the interval covers at least 8 of 10. Takes about two minutes on
two cores.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from math import exp
from pathlib import Path

import numpy as np

from orchestrator.analysis.queueing.prediction import HypotheticalFleet, predict
from orchestrator.analysis.queueing.service_times import are_unequal
from orchestrator.fleet.fleet import Fleet
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.measurement.machine import environment
from orchestrator.measurement.preflight import preflight
from orchestrator.measurement.recorder import Recorder, now
from orchestrator.model.runs import Cell, Plan, Run
from orchestrator.strategies.celery import Celery
from worker.contract import Task

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import fleet_of

TASKS, MEAN_S = 24, 0.06
KNOWN, HELD_OUT = (1, 2, 3), (4, 6, 8)
LARGEST_MEDIAN = 0.10
FEWEST_COVERED = 0.8
SEED = 26


def two_point(rng: np.random.Generator, tasks: int) -> list[float]:
    """Return every eighth ten times as long as the others."""
    return [0.3 if task % 8 == 7 else 0.03 for task in range(tasks)]


def exponential(rng: np.random.Generator, tasks: int) -> list[float]:
    """Return times whose standard deviation is their mean."""
    return [float(each) for each in rng.exponential(MEAN_S, tasks)]


def lognormal(rng: np.random.Generator, tasks: int) -> list[float]:
    """Return times with a long tail."""
    return [float(each) for each in MEAN_S * exp(-0.5) * rng.lognormal(0.0, 1.0, tasks)]


Drawn = Callable[[np.random.Generator, int], list[float]]
DISTRIBUTIONS: tuple[Drawn, ...] = (two_point, exponential, lognormal)


def measured(fleet: Fleet, slots: tuple[int, ...], batches: list[list[float]]) -> Run:
    """Measure a batch a round, each of sleeping tasks of these seconds, on each number of slots."""
    cells = tuple(Cell("diagnostics", "sleep", "celery", each, "redis", 1, "local") for each in slots)
    workers = tuple(member.as_worker() for member in fleet.workers)
    where = environment(fleet.broker, workers)
    plan = Plan("", 1, len(batches[0]), 8, 8, slots[-1], len(batches), 1, "origin", 0.0, None, cells)
    recorder = Recorder(Run("unequal", "scale", now(), None, False, where, plan))
    recorder.run = replace(recorder.run, preflight=preflight(fleet))
    for cell in cells:
        with Celery(cell.slots, fleet, "redis", 1, "local") as strategy:
            for number, times_s in enumerate((batches[0], *batches), start=-1):
                tasks = [Task(i, "diagnostics", "sleep", repr(each)) for i, each in enumerate(times_s)]
                expected = {task.id: task.payload for task in tasks}
                sample, failures = measure(strategy, tasks, expected, SamplePosition(number, 0, 0.0))
                if failures or not sample.correct:
                    raise RuntimeError(f"{sample} with {failures}")
                if number >= 0:
                    recorder.add(cell, sample, failures)
    return recorder.as_run(complete=True)


def main() -> int:
    """Measure, predict, measure; return 1 if the goal is missed."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    rounds, known, held_out = (6, (2,), (4, 8)) if options.quick else (7, KNOWN, HELD_OUT)
    page.head("tasks", "number", "slots", "predicted", "its interval", "measured", "error", "covered")
    errors, covered = [], []
    rng = np.random.default_rng(SEED)
    with fleet_of(held_out[-1]) as fleet:
        for drawn in DISTRIBUTIONS:
            batch = drawn(rng, TASKS)
            run = measured(fleet, known, [batch] * rounds)
            assert are_unequal(run.cells[0].samples)
            more = [drawn(rng, 3 * TASKS) for _ in range(rounds)]
            truths = [
                *measured(fleet, held_out, [batch] * rounds).cells,
                *measured(fleet, held_out[-1:], more).cells,
            ]
            for result in truths:
                tasks, slots = result.samples[0].tasks, result.cell.slots
                made = predict(run, run.cells[0].cell, HypotheticalFleet(slots), tasks).makespan_s
                truth_s = statistics.median(result.makespans_s.values())
                assert made.low is not None
                assert made.high is not None
                errors.append(made.point / truth_s - 1)
                covered.append(made.low <= truth_s <= made.high)
                page.row(
                    f"{drawn.__name__.replace('_', '-')}{', new ones' if tasks > TASKS else ''}",
                    str(tasks),
                    str(slots),
                    f"{made.point:.3f} s",
                    f"{made.low:.3f} to {made.high:.3f}",
                    f"{truth_s:.3f} s",
                    f"{errors[-1]:+.1%}",
                    "yes" if covered[-1] else "no",
                )
    return page.verdict_on_predictions(errors, covered, LARGEST_MEDIAN, FEWEST_COVERED)


if __name__ == "__main__":
    sys.exit(main())
