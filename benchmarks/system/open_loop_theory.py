"""Are the waits of tasks that arrive those of queueing theory?

    python benchmarks/system/open_loop_theory.py [--quick] [--duration 9] [--update-docs]

Sleeping tasks of constant and of exponential length arrive by a Poisson process at 1, 2 and 4 slots of threads and of
Celery, at 30, 60 and 80 % utilisation. The mean of the measured waits is compared with that of the Kiefer-Wolfowitz
recursion for the same arrivals and the measured services (Lindley's on one slot). A formula such as Erlang's cannot
be checked by runs this short: at 80 % and 600 tasks the mean wait itself scatters by 45 %. Goal: within 10 % in the
median of the cases. Takes eight minutes, with --quick one.

A wait is from the planned arrival to the start on a slot. Celery's slots also need a moment between two tasks, and its
messages a moment to get there; the first is measured with a batch and added to the services, the second is the wait of
the quickest tasks and taken off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, median

import numpy as np

from orchestrator.analysis.queueing.waits import waits_s
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.measurement.open_loop import OpenLoop, arrival_times_s
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.celery import Celery
from orchestrator.strategies.threads import Threads
from worker.contract import Hops, Task

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import fleet_of

SLOTS, QUICK_SLOTS = (1, 2, 4), (1, 2)
UTILISATIONS, QUICK_UTILISATIONS = (0.3, 0.6, 0.8), (0.6,)
LENGTHS = ("constant", "exponential")
SERVICE_S = 0.05  # mean
DURATION_S, QUICK_DURATION_S = 9.0, 4.0
BATCH = 20  # tasks a slot, of the batch that shows what a slot needs between two tasks
QUICKEST = 0.05  # share of the tasks that count as not having waited
WITHIN = 0.10
SEED = 1955
AT = SamplePosition(0, 0, 0.0)


@contextmanager
def entered(name: str, slots: int) -> Iterator[Strategy]:
    """Enter a strategy, with a fleet of its own if it needs one."""
    if name == "threads":
        with Threads(slots) as threads:
            yield threads
        return
    with fleet_of(slots) as fleet, Celery(slots, fleet, "inline", 1, "local") as celery:
        yield celery


def tasks_of(lengths_s: Sequence[float]) -> list[Task]:
    """Return a task of stage spin for each length."""
    return [
        Task(number, "spin", "waiting", f"waiting {length:.6f} {number}")
        for number, length in enumerate(lengths_s)
    ]


def expected(tasks: Sequence[Task]) -> dict[int, str]:
    """Return the right output of each task."""
    return {task.id: str(task.id) for task in tasks}


def between_tasks_s(strategy: Strategy) -> float:
    """Return how long a slot is busy with a task beyond its service, in a batch."""
    tasks = tasks_of([SERVICE_S] * (BATCH * strategy.slots))
    sample, _ = measure(strategy, tasks, expected(tasks), AT)
    return max(0.0, sample.makespan_s * strategy.slots / len(tasks) - fmean(sample.service_times_s))


def held_s(hops: Hops) -> float:
    """Return how long a task occupied its slot."""
    return hops.compute_s + (hops.fetch_s or 0.0) + (hops.store_s or 0.0)


def mean_waits_s(
    strategy: Strategy, between_s: float, utilisation: float, lengths: str, duration_s: float
) -> tuple[int, float, float]:
    """Return the number of tasks, and their mean wait in seconds: measured, and by the recursion."""
    rng = np.random.default_rng(SEED)
    rate = strategy.slots * utilisation / SERVICE_S
    planned_s = arrival_times_s("poisson", rate, duration_s, (SEED, strategy.slots))
    constant = lengths == "constant"
    tasks = tasks_of(
        [SERVICE_S] * len(planned_s) if constant else rng.exponential(SERVICE_S, len(planned_s)).tolist()
    )
    loop = OpenLoop(strategy, tasks, expected(tasks), planned_s, duration_s)
    sample, _ = loop.measure(AT)
    if sample.interrupted:
        raise KeyboardInterrupt
    numbers = [number for number in range(len(tasks)) if number in loop.hops]
    arrivals = np.array([planned_s[number] for number in numbers])
    services = np.array([held_s(loop.hops[number]) for number in numbers])
    returned = np.array([loop.hops[number].return_s or 0.0 for number in numbers])
    waits = np.array([loop.ended_s[number] for number in numbers]) - returned - services - arrivals
    waits = np.maximum(0.0, waits - np.quantile(waits, QUICKEST))
    return (
        len(numbers),
        float(waits.mean()),
        float(waits_s(arrivals, services + between_s, strategy.slots).mean()),
    )


def main() -> int:
    """Print every case; return 1 if the median error is too large."""
    arguments = parser(__doc__)
    arguments.add_argument("--duration", type=float, default=DURATION_S, help="seconds of each case")
    options = arguments.parse_args()
    page = Page(__file__, options)
    quick = options.quick
    page.head(
        "strategy", "lengths", "slots", "utilisation", "tasks", "mean wait", "by the recursion", "error"
    )
    errors = []
    for name in ("threads", "celery"):
        for slots in QUICK_SLOTS if quick else SLOTS:
            with entered(name, slots) as strategy:
                between_s = 0.0 if isinstance(strategy, Threads) else between_tasks_s(strategy)
                for lengths in LENGTHS:
                    for utilisation in QUICK_UTILISATIONS if quick else UTILISATIONS:
                        duration_s = QUICK_DURATION_S if quick else options.duration
                        tasks, found_s, theory_s = mean_waits_s(
                            strategy, between_s, utilisation, lengths, duration_s
                        )
                        errors.append(found_s / theory_s - 1 if theory_s else 0.0)
                        page.row(
                            *(name, lengths, str(slots), f"{utilisation:.0%}", str(tasks)),
                            *(f"{1e3 * found_s:.1f} ms", f"{1e3 * theory_s:.1f} ms", f"{errors[-1]:+.1%}"),
                        )
    off = median(map(abs, errors))
    text = f"{off:.1%} off in the median of {len(errors)} cases (at most {WITHIN:.0%})"
    return page.verdict(off <= WITHIN, f"{text}, at most {max(map(abs, errors)):.0%}.")


if __name__ == "__main__":
    sys.exit(main())
