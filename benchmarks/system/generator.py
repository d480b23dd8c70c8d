"""Does the generator send tasks when they are due?

    python benchmarks/system/generator.py [--quick] [--update-docs]

A thousand tasks a second arrive at even steps at threads and at Celery, whose only slot is kept busy by one long task,
so that nothing else needs the processors. Goal: at the median sent within 1 ms of plan. Takes half a minute, with
--quick a third of that.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from orchestrator.analysis.load import DRAIN_S, WARMUP_S
from orchestrator.measurement.clock import SamplePosition
from orchestrator.measurement.open_loop import OpenLoop, arrival_times_s
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.celery import Celery
from orchestrator.strategies.threads import Threads
from worker.contract import Task

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import fleet_of

RATE = 1000.0  # tasks a second
DURATION_S, QUICK_DURATION_S = 8.0, 1.0
GOAL_S = 1e-3


def lags_s(strategy: Strategy, duration_s: float) -> np.ndarray:
    """Return how late each task was sent that arrived after the warm-up."""
    busy_s = WARMUP_S + duration_s + DRAIN_S / 2
    planned_s = arrival_times_s("constant", RATE, duration_s, (1,))
    tasks = [Task(number, "diagnostics", "noop", "") for number in range(len(planned_s))]
    tasks[0] = Task(0, "diagnostics", "sleep", str(busy_s))
    loop = OpenLoop(strategy, tasks, {task.id: task.payload for task in tasks}, planned_s, duration_s)
    sample, _ = loop.measure(SamplePosition(0, 0, 0.0))
    if sample.interrupted:
        raise KeyboardInterrupt
    assert sample.trace is not None
    times = zip(sample.trace.planned_us, sample.trace.sent_us, strict=True)
    return np.array([(sent - plan) / 1e6 for plan, sent in times if plan >= 0 and sent is not None])


def main() -> int:
    """Print how late tasks are sent; return 1 if the median is over the goal."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    duration_s = QUICK_DURATION_S if options.quick else DURATION_S
    found = {}
    with Threads(1) as threads:
        found["threads"] = lags_s(threads, duration_s)
    with fleet_of(1) as fleet, Celery(1, fleet, "inline", 1, "local") as celery:
        found["celery"] = lags_s(celery, duration_s)
    page.head("strategy", "sent", "late by, median", "p99", "at most")
    for name, lags in found.items():
        shown = [f"{1e3 * float(np.quantile(lags, q)):.2f} ms" for q in (0.5, 0.99, 1.0)]
        page.row(name, f"{len(lags):,} of {RATE * duration_s:,.0f}", *shown)
    worst = max(float(np.median(lags)) for lags in found.values())
    return page.verdict(
        worst <= GOAL_S, f"late by {1e3 * worst:.2f} ms at the median (at most {1e3 * GOAL_S:g} ms)."
    )


if __name__ == "__main__":
    sys.exit(main())
