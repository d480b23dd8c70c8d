"""Does anything grow, round after round?

    python benchmarks/system/soak.py [--quick] [--update-docs] [--minutes M]

Samples of Celery cells (every transport, local and resident) on two embedded workers. After each round:
resident memory and file descriptors of orchestrator, workers and broker, and the broker's keys and connections.
Goals: from the end of the first quarter to the end, no memory grows by more than 5 % and 4 MiB, and nothing
else grows at all.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.model.runs import Data
from orchestrator.strategies.celery import Celery
from worker.allocator import keep_freed_memory
from worker.contract import Task
from worker.stages import STAGES

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

MINUTES, QUICK_MINUTES = 30.0, 0.5
GROWTH, GROWTH_BYTES = 0.05, 4 << 20
CELLS: tuple[tuple[str, Data], ...] = (
    ("redis", "local"),
    ("redis", "resident"),
    ("inline", "local"),
    ("files", "local"),
)

Look = dict[str, float]  # figures after a round, by name


def processes_of(processes: ChildProcesses) -> dict[str, list[psutil.Process]]:
    """Return the processes of each part."""
    parts = {"orchestrator": [psutil.Process()]}
    for name, pid in processes.pids.items():
        main = psutil.Process(pid)
        parts[name] = [main, *main.children(recursive=True)]
    return parts


def look(processes: ChildProcesses, fleet: Fleet) -> Look:
    """Return everything that could grow."""
    seen: Look = {}
    for name, members in processes_of(processes).items():
        seen[f"{name}, memory"] = float(sum(each.memory_info().rss for each in members))
        seen[f"{name}, descriptors"] = float(sum(each.num_fds() for each in members))
    with fleet.client(5.0) as client:
        seen["broker, keys"] = float(client.dbsize())
        seen["broker, connections"] = float(client.info("clients")["connected_clients"])
    return seen


def rounds(minutes: float) -> tuple[list[Look], int, int]:
    """Return the figures after each round, the number of tasks, and of bad samples."""
    random = np.random.default_rng(1)
    pictures = [random.integers(0, 256, (120, 160, 3), dtype=np.uint8) for _ in range(20)]
    tasks = [Task(i, "grayscale", "numpy", each) for i, each in enumerate(pictures)]
    expected = {task.id: STAGES["grayscale"].reference(task.payload) for task in tasks}
    seen, ended, unsound = [], 0, 0
    with (
        ChildProcesses() as processes,
        embedded_fleet(processes, 2, False, ()) as fleet,
        ExitStack() as stack,
    ):
        fleet.measure_clock_offsets()
        cells = [stack.enter_context(Celery(2, fleet, way, 1, data)) for way, data in CELLS]
        until, number = time.monotonic() + 60 * minutes, 0
        while time.monotonic() < until:
            for position, strategy in enumerate(cells):
                for _ in range(5):
                    place = SamplePosition(number, position, 0.0)
                    sample, failures = measure(strategy, tasks, expected, place)
                    ended += sample.tasks
                    unsound += not sample.correct or sample.disturbed is not None or bool(failures)
            seen.append(look(processes, fleet))
            number += 1
    return seen, ended, unsound


def grew(name: str, early: float, late: float) -> bool:
    """Return whether a figure grew by more than allowed."""
    if name.endswith("memory"):
        return late > early * (1 + GROWTH) and late - early > GROWTH_BYTES
    return late > early


def main() -> int:
    """Print each figure early and late; return 1 if one grew."""
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, default=MINUTES)
    chosen = options.parse_args()
    page = Page(__file__, chosen)
    keep_freed_memory()
    minutes = QUICK_MINUTES if chosen.quick else chosen.minutes
    seen, ended, unsound = rounds(minutes)
    page.say(
        f"{minutes:g} minutes, {len(seen):,} rounds, {ended:,} tasks, {unsound} samples disturbed or not sound:"
    )
    page.say()
    page.head("what", "after the first quarter", "in the last quarter")
    quarter = max(1, len(seen) // 4)
    grown = []
    for name in seen[0]:
        early = median(each[name] for each in seen[quarter : 2 * quarter] or seen[:1])
        late = median(each[name] for each in seen[-quarter:])
        shown = [f"{x / (1 << 20):.1f} MiB" if name.endswith("memory") else f"{x:.0f}" for x in (early, late)]
        page.row(name, *shown)
        grown += [name] if grew(name, early, late) else []
    return page.verdict(
        not grown and not unsound, f"nothing grows{': but ' + ', '.join(grown) if grown else ''}."
    )


if __name__ == "__main__":
    sys.exit(main())
