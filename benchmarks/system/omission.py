"""Does a stall show in the latency as the plan of arrivals demands?

    python benchmarks/system/omission.py [--quick] [--update-docs]

Tasks that do nothing arrive at even steps at an embedded broker, which is stopped (SIGSTOP) for 2 s in a sample of
20 s. A task that arrives during the stall waits for its rest, so of N tasks at a rate r the k-th longest latency is
the stall less k/r. Goal: p99 and the maximum within 10 % of that. Beside it stands what a closed loop sees, which
sends a task when the one before it is done and times it from there: one task waits, the others are never sent
(coordinated omission). Takes a minute, with --quick half of that.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from orchestrator.analysis.load import WARMUP_S, load_row
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.measurement.clock import SamplePosition
from orchestrator.measurement.open_loop import OpenLoop, arrival_times_s
from orchestrator.model.runs import Cell, CellResult
from orchestrator.strategies.celery import Celery
from worker.contract import Task

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.celery_sides import nothing
from benchmarks.shared.page import Page, parser

SLOTS = 2
RATE, STALL_S = 60.0, 2.0  # tasks a second
DURATION_S, QUICK_DURATION_S = 20.0, 10.0
WITHIN = 0.10
AT = SamplePosition(0, 0, 0.0)


@contextmanager
def stalled(pid: int, after_s: float) -> Iterator[None]:
    """Stop a process for `STALL_S`, some seconds from now."""

    def stall() -> None:
        time.sleep(after_s)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(STALL_S)
        os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def open_loop_s(celery: Celery, duration_s: float) -> list[float]:
    """Return the latency of every task that arrives after the warm-up, in seconds from its planned arrival."""
    work = nothing(1)
    planned_s = arrival_times_s("constant", RATE, duration_s, (1,))
    loop = OpenLoop(celery, work.tasks, work.expected, planned_s, duration_s)
    sample, _ = loop.measure(AT)
    if sample.interrupted:
        raise KeyboardInterrupt
    row = load_row(CellResult(Cell("", "", "celery", SLOTS, rate_per_s=RATE), None, open_loops=(sample,)))
    assert row is not None
    print(
        f"{row.offered} tasks, {row.ended} ended; the sample is marked: {sample.disturbed}", file=sys.stderr
    )
    return [
        loop.ended_s[number] - at for number, at in enumerate(planned_s) if at >= 0 and number in loop.ended_s
    ]


def closed_loop_s(celery: Celery, duration_s: float) -> list[float]:
    """Return the latency of tasks that are sent one at a time, at the same steps unless one is late."""
    latencies = []
    begin = time.monotonic()
    while (now := time.monotonic()) < begin + duration_s:
        celery.prepare(())
        started = time.monotonic()
        for _ in celery.run([Task(0, "diagnostics", "noop", "")]):
            latencies.append(time.monotonic() - started)
        time.sleep(max(0.0, now + 1 / RATE - time.monotonic()))
    return latencies


def main() -> int:
    """Print both; return 1 if the open loop does not show the stall."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    duration_s = QUICK_DURATION_S if options.quick else DURATION_S
    with ChildProcesses() as processes, embedded_fleet(processes, SLOTS, False, ()) as fleet:
        fleet.measure_clock_offsets()
        with Celery(SLOTS, fleet, "inline", 1, "local") as celery:
            pid = processes.pids["broker"]
            with stalled(pid, WARMUP_S + duration_s / 3):
                opened = open_loop_s(celery, duration_s)
            celery.disturbance()
            with stalled(pid, duration_s / 3):
                closed = closed_loop_s(celery, duration_s)
    beyond = 0.01 * RATE * duration_s  # tasks above p99
    demanded = {"p50": None, "p99": STALL_S - beyond / RATE, "maximum": STALL_S}
    page.head("latency", "as the plan demands", "open loop", "closed loop")
    found = {
        name: [float(np.quantile(each, q, method="inverted_cdf")) for each in (opened, closed)]
        for name, q in (("p50", 0.5), ("p99", 0.99), ("maximum", 1.0))
    }
    for name, (open_s, closed_s) in found.items():
        wanted = demanded[name]
        page.row(
            name,
            "" if wanted is None else f"{wanted:.2f} s",
            f"{1e3 * open_s:,.1f} ms",
            f"{1e3 * closed_s:,.1f} ms",
        )
    page.row("tasks", f"{RATE * duration_s:.0f}", str(len(opened)), str(len(closed)))
    page.row(
        "tasks over 0.1 s",
        f"{RATE * (STALL_S - 0.1):.0f}",
        *(str(sum(s > 0.1 for s in each)) for each in (opened, closed)),
    )
    off = max(abs(found[name][0] / wanted - 1) for name, wanted in demanded.items() if wanted)
    return page.verdict(off <= WITHIN, f"the open loop is at most {off:.1%} off (at most {WITHIN:.0%}).")


if __name__ == "__main__":
    sys.exit(main())
