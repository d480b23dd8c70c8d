"""One long batch: does the orchestrator's memory stay flat, and its throughput steady?

    python benchmarks/load.py [--quick] [--update-docs] [--tasks N]

Sends so many no-op tasks through one Celery batch on two embedded workers, and takes each outcome as it comes.
Goals: the orchestrator's resident memory grows by at most 5 % from the first tenth to the last, and the
throughput of the last tenth is within 10 % of the first's. Takes about three minutes on two cores.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
from page import Page, parser

from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.processes import Processes
from orchestrator.strategies.celery import Celery
from worker.contract import Task
from worker.memory import keep_freed_memory

TASKS, QUICK_TASKS = 100_000, 5_000
LOOKED_AT = (0.1, 0.5, 1.0)
GROWTH, STEADY = 0.05, 0.10


def main() -> int:
    """Print memory and throughput; 1 if a goal is missed."""
    options = parser(__doc__)
    options.add_argument("--tasks", type=int, default=TASKS)
    chosen = options.parse_args()
    count = QUICK_TASKS if chosen.quick else chosen.tasks
    page = Page("load", chosen, Path(__file__).parents[1] / "docs" / "reliability.md")
    keep_freed_memory()
    own = psutil.Process()
    ended, ok, tenth = 0, 0, count // 10
    memory: dict[int, int] = {}
    reached: list[float] = []
    with Processes() as processes, embedded_fleet(processes, 2, False, ()) as fleet:
        fleet.synchronise()
        with Celery(2, fleet, "redis", 1, "local") as celery:
            tasks = [Task(i, "diagnostics", "noop", "") for i in range(count)]
            celery.prepare(tasks)
            began = time.perf_counter()
            for outcome in celery.run(tasks):
                ended += 1
                ok += outcome.status == "ok"
                if ended % tenth == 0:
                    reached.append(time.perf_counter() - began)
                    memory[ended] = own.memory_info().rss
            duplicated, disturbed = celery.duplicated, celery.disturbance()
    page.head("tasks ended", "resident memory of the orchestrator")
    for share in LOOKED_AT:
        at = tenth * round(10 * share)
        page.row(f"{at:,}", f"{memory[at] / (1 << 20):.1f} MiB")
    first, last = tenth / reached[0], tenth / (reached[-1] - reached[-2])
    growth = memory[tenth * 10] / memory[tenth] - 1
    page.say()
    page.say(f"{ok:,} of {count:,} ok, {duplicated} duplicated, disturbed: {disturbed or 'no'}.")
    page.say(
        f"Throughput: {first:.0f} tasks/s in the first tenth, {last:.0f} in the last ({last / first - 1:+.1%})."
    )
    met = ok == count == ended and not duplicated and growth <= GROWTH and abs(last / first - 1) <= STEADY
    return page.verdict(
        met, f"memory grew by {growth:.1%} (at most {GROWTH:.0%}), throughput within {STEADY:.0%}."
    )


if __name__ == "__main__":
    sys.exit(main())
