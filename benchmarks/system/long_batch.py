"""Does the memory of the orchestrator stay flat in one long batch, and its throughput steady?

    python benchmarks/system/long_batch.py [--quick] [--update-docs] [--tasks N]

Sends 100,000 empty tasks in one Celery batch to two embedded workers. Goals: resident memory grows by at most 5 %
from the first tenth to the last, and the throughput of the last tenth is within 10 % of the first's. Takes
about three minutes on two cores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import psutil

from orchestrator.fleet.fleet import Fleet
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.strategies.celery import Celery
from worker.allocator import keep_freed_memory
from worker.contract import Outcome, Task

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.celery_sides import nothing, one_broker
from benchmarks.shared.page import Page, parser

TASKS, QUICK_TASKS, LEAST_TASKS = 100_000, 5_000, 1_000
LOOKED_AT = (0.1, 0.5, 1.0)
GROWTH, STEADY = 0.05, 0.10


class Watched(Celery):
    """The strategy of a run, which also samples the memory of this process ten times per long batch."""

    def __init__(self, slots: int, fleet: Fleet, count: int) -> None:
        super().__init__(slots, fleet, "redis", 1, "local")
        self._own, self._tenth = psutil.Process(), count // 10
        self.memory: list[int] = []
        self.reached_s: list[float] = []

    def run(self, tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
        """Do the batch; short ones, such as probes, never reach a tenth."""
        began = time.perf_counter()
        for ended, outcome in enumerate(super().run(tasks), start=1):
            if ended % self._tenth == 0:
                self.reached_s.append(time.perf_counter() - began)
                self.memory.append(self._own.memory_info().rss)
            yield outcome


def main() -> int:
    """Print memory and throughput; return 1 if a goal is missed."""
    options = parser(__doc__)
    options.add_argument("--tasks", type=int, default=TASKS)
    chosen = options.parse_args()
    count = QUICK_TASKS if chosen.quick else chosen.tasks
    if count < LEAST_TASKS:
        options.error(f"--tasks {count} is too few to tell anything; give {LEAST_TASKS:,} or more")
    page = Page(__file__, chosen)
    keep_freed_memory()
    work = nothing(count)
    with one_broker(2) as (_, fleet), Watched(2, fleet, count) as celery:
        sample, failures = measure(celery, work.tasks, work.expected, SamplePosition(0, 0, 0.0))
    memory, reached, tenth = celery.memory, celery.reached_s, count // 10
    page.head("tasks ended", "resident memory of the orchestrator")
    for share in LOOKED_AT:
        number = round(10 * share)
        page.row(f"{tenth * number:,}", f"{memory[number - 1] / (1 << 20):.1f} MiB")
    first, last = tenth / reached[0], tenth / (reached[-1] - reached[-2])
    growth = memory[-1] / memory[0] - 1
    page.say()
    page.say(
        f"{sample.ok:,} of {count:,} ok, {sample.wrong} wrong, {sample.lost} lost, {sample.duplicated} duplicated, "
        f"disturbed: {sample.disturbed or 'no'}."
    )
    page.say(
        f"Throughput: {first:.0f} tasks/s in the first tenth, {last:.0f} in the last ({last / first - 1:+.1%})."
    )
    met = sample.correct and not failures and growth <= GROWTH and abs(last / first - 1) <= STEADY
    return page.verdict(
        met, f"memory grew by {growth:.1%} (at most {GROWTH:.0%}), throughput within {STEADY:.0%}."
    )


if __name__ == "__main__":
    sys.exit(main())
