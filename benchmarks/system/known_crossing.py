"""Is a break-even that is built into the tasks found? Celery's sleep longer than the serial ones, by a known time.

    python benchmarks/system/known_crossing.py [--quick] [--update-docs]

A serial task sleeps for t, and a Celery task for t and 20 ms more, on two embedded slots. So serial takes t, Celery
half of t + 20 ms and its own overhead, which is measured apart: they cross at 20 ms plus the overhead. In at least 8
of 10 sweeps of t the crossing must be asserted, and its interval, 5 % wider for the overhead's own error, must hold
the truth. Takes about six minutes on two cores.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import fleet_of
from orchestrator.analysis.scaling.crossover import BreakEven, SweepPoint, break_even
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.model.runs import Cell
from orchestrator.strategies.base import Strategy, make_strategy
from worker.contract import Task

SLOTS = 2
TASKS = 8
BUILT_IN_S = 0.020
LENGTHS_S = tuple(float(each) for each in np.geomspace(0.008, 0.064, 6))
SWEEPS, ROUNDS = 10, 7
LEAST_FOUND = 0.8
TOLERANCE = 1.05
SERIAL = Cell("diagnostics", "sleep", "serial", 1)
CELERY = Cell("diagnostics", "sleep", "celery", SLOTS, "inline", 1, "local", pool="prefork")


def batch_s(strategy: Strategy, sleep_s: float) -> float:
    """Return the makespan of a batch of tasks that sleep."""
    tasks = tuple(Task(index, "diagnostics", "sleep", repr(sleep_s)) for index in range(TASKS))
    expected = {task.id: task.payload for task in tasks}
    sample, failures = measure(strategy, tasks, expected, SamplePosition(0, 0, 0.0))
    if failures or not sample.correct:
        raise RuntimeError(f"{failures} in {sample}")
    return sample.makespan_s


def sweep(serial: Strategy, celery: Strategy, rounds: int, order: Random) -> BreakEven:
    """Return the break-even of one sweep."""
    ratios: dict[float, dict[int, float]] = {length: {} for length in LENGTHS_S}
    for number in range(rounds):
        for length in order.sample(LENGTHS_S, len(LENGTHS_S)):
            sides = [(celery, length + BUILT_IN_S), (serial, length)]
            order.shuffle(sides)
            took = {strategy: batch_s(strategy, sleep_s) for strategy, sleep_s in sides}
            ratios[length][number] = took[celery] / took[serial]
    return break_even([SweepPoint(1000 * at, each) for at, each in ratios.items()])


def holds(found: BreakEven, truth_ms: float) -> bool:
    """Return whether a single crossing is asserted whose interval, a little wider, has the truth."""
    if found.kind != "crosses":
        return False
    crossing = found.crossovers[0]
    return (crossing.low or 0.0) / TOLERANCE <= truth_ms <= (crossing.high or float("inf")) * TOLERANCE


def overhead_s(celery: Strategy, serial: Strategy) -> float:
    """Return what Celery takes a slot beyond the sleep of a task, less what the serial sleep takes beyond its own."""
    sleep_s = LENGTHS_S[2]
    times: Sequence[tuple[float, float]] = [
        (batch_s(celery, sleep_s + BUILT_IN_S), batch_s(serial, sleep_s)) for _ in range(15)
    ]
    there_s = median(each for each, _ in times) * SLOTS / TASKS - sleep_s - BUILT_IN_S
    return there_s - SLOTS * (median(each for _, each in times) / TASKS - sleep_s)


def main() -> int:
    """Sweep again and again; return 1 if the crossing is found too seldom."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    sweeps = 2 if options.quick else SWEEPS
    order = Random(1)  # noqa: S311 - a reproducible order, not a secret
    with (
        fleet_of(SLOTS) as fleet,
        make_strategy(SERIAL, None) as serial,
        make_strategy(CELERY, fleet) as celery,
    ):
        batch_s(celery, 0.0)
        truth_ms = 1000 * (BUILT_IN_S + overhead_s(celery, serial)) / (SLOTS - 1)
        page.say(f"Built in: Celery takes as long as serial at {truth_ms:.1f} ms a task.")
        page.say()
        page.head("sweep", "found", "at", "interval", "right")
        right = []
        for number in range(1, sweeps + 1):
            found = sweep(serial, celery, ROUNDS, order)
            right.append(holds(found, truth_ms))
            first = found.crossovers[0] if found.crossovers else None
            page.row(
                str(number),
                found.kind,
                "" if first is None else f"{first.at:.1f} ms",
                ""
                if first is None or first.low is None or first.high is None
                else f"{first.low:.1f} to {first.high:.1f}",
                "yes" if right[-1] else "no",
            )
    return page.verdict(
        sum(right) >= LEAST_FOUND * len(right),
        f"found in {sum(right)} of {len(right)} sweeps (at least 8 of 10).",
    )


if __name__ == "__main__":
    sys.exit(main())
