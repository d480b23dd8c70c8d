"""Does the map's border hold? Checked with two to six emulated hosts that wait, of a quarter of a processor each.

    python benchmarks/system/task_map.py [--quick] [--rounds 9] [--update-docs]

Starts the stack of `emulated_hosts.py`, and runs `scale` with the kernel `waiting` of stage `spin` and three lengths
of a task. The map is made from the cells with two slots of the middle length alone. For each length and two to six
hosts, it says whether Celery or the best of the orchestrator's own two slots finishes first, and that is measured. The
winner must be right wherever the number of hosts is outside the border's interval. Needs a Docker engine with Compose.
Takes about six minutes on two cores, plus building the images once.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from math import ceil
from pathlib import Path

from emulated_hosts import Work, hosts_up, measured

from orchestrator.analysis.queueing.service_demands import demands_of
from orchestrator.analysis.scaling.task_map import Border, TaskMap, task_maps
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.numbers import interval, number

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

LENGTHS_MS = (3, 12, 50)
HERE = 2  # slots of the orchestrator's own, and of the cells that the map is made from
HOSTS = (2, 3, 4, 5, 6)


def work(length_ms: int) -> Work:
    """Return what the hosts do: tasks that wait for this long."""
    strategies = ("--strategy", "threads")
    options = ("--stage", "spin", "--kernel", "waiting", "--work-ms", str(length_ms), *strategies)
    return Work(f"{length_ms} ms", "spin", options)


def map_of(run: Run) -> TaskMap:
    """Return the map that follows from the cells with two slots, and the serial one."""
    cells = tuple(each for each in run.cells if each.cell.slots in (1, HERE))
    known = replace(run, cells=cells, plan=replace(run.plan, axis=None, slots=HERE))
    (found,) = task_maps(known, (), demands_of(known))
    return found


def border_of(found: TaskMap, length_ms: int) -> Border:
    """Return the border at the nearest length of the map."""
    return min(found.borders, key=lambda each: abs(each.length_s - length_ms / 1000))


def median_s(result: CellResult) -> float:
    """Return the middle of a cell's makespans."""
    found = makespan(result)
    assert found is not None
    return found.point


def best_here_s(run: Run) -> float:
    """Return the makespan of the best of the orchestrator's own two slots."""
    able = [each for each in run.cells if not each.cell.distributed and each.cell.slots <= HERE]
    return min(map(median_s, able))


def near(border: Border, hosts: int) -> bool:
    """Return whether a number of hosts is within the border's interval, or next to it by less than half a host."""
    if border.slots is None:
        return False
    low, high = border.slots.low or border.slots.point, border.slots.high or border.slots.point
    return low - 0.5 <= hosts <= high + 0.5


def main() -> int:
    """Start, measure, compare; return 1 if a winner away from the border is wrong."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=9)
    options = arguments.parse_args()
    page = Page(__file__, options)
    rounds, tasks = (6, 30) if options.quick else (options.rounds, 60)
    with hosts_up():
        runs = {length: measured(work(length), rounds, tasks) for length in LENGTHS_MS}
    found = map_of(runs[LENGTHS_MS[1]])
    page.head(
        "tasks of", "hosts", "border", "interval", "first, by the map", "Celery's time / best here", "right"
    )
    right = []
    for length, run in runs.items():
        border = border_of(found, length)
        for result in run.cells:
            hosts = result.cell.slots
            if not result.cell.distributed or result.cell.replica or hosts not in HOSTS:
                continue
            celery = border.slots is not None and hosts >= ceil(border.slots.point)
            ratio = median_s(result) / best_here_s(run)
            ok = (ratio < 1) == celery
            right += [] if near(border, hosts) else [ok]
            page.row(
                f"{length} ms",
                str(hosts),
                "never" if border.slots is None else number(border.slots.point),
                interval(border.slots, number, " to "),
                "Celery" if celery else border.here,
                f"{ratio:.2f}",
                "near" if near(border, hosts) else "yes" if ok else "no",
            )
    return page.verdict(
        bool(right) and all(right),
        f"the winner is right in {sum(right)} of {len(right)} cells away from the border.",
    )


if __name__ == "__main__":
    sys.exit(main())
