"""One life of `harness.py`: a fresh interpreter in which every strategy and its bare loop take turns.

    python benchmarks/system/harness_life.py [ROUNDS] [--empty]

Prints its figures as JSON, for `harness.py` to put together; by itself it proves nothing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from statistics import fmean

import numpy as np
import psutil
from bare_loops import BareCrossing, BareLoop, BareProcesses, BareSerial, BareThreads, Timing

from orchestrator.inputs.synthetic import photograph
from orchestrator.measurement.clock import SamplePosition, all_kept, measure
from orchestrator.strategies.base import Row, Strategy
from orchestrator.strategies.processes import Processes
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.threads import Threads
from worker.allocator import keep_freed_memory
from worker.contract import Payload, Task

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.real_rounds import Batch, batch

SLOTS = 2
ONE_SLOT = "processes, 1 slot"
STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "serial": lambda: Serial(1),
    "threads": lambda: Threads(SLOTS),
    "processes": lambda: Processes(SLOTS),
    ONE_SLOT: lambda: Processes(1),
}

EMPTY_TASKS = 4000
WORK = (("loop", 40, 40), ("numpy", 1000, 1000))
"""Kernel, width and height: each takes little more than 1 ms."""
TASKS = 60
"""Of each slot in a batch, which ends before the machine's speed changes, more often than not."""


@dataclass(frozen=True, slots=True)
class Side:
    """What the harness, or the bare loop, took for the batches of a life, which lie next to the other side's.

    Attributes:
        makespans_s: of each batch, from its release to its last output.
        kernels_s: of each batch what a kernel took on average, whatever put its slot aside meanwhile included.
        rests: of each batch what lies in no kernel of its busiest slot, as a share of what does.
    """

    makespans_s: Sequence[float]
    kernels_s: Sequence[float]
    rests: Sequence[float]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one strategy took in this life for batches of `tasks`, and its bare loop."""

    strategy: str
    work: str
    tasks: int
    ours: Side
    bare: Side


@dataclass(frozen=True, slots=True)
class CpuFigures:
    """The CPU time of an empty task, in seconds: of this process and its children together, over one batch each."""

    strategy: str
    ours_s: float
    bare_s: float


class Heard(Strategy):
    """A strategy whose rows are kept, to see what the kernels of each slot took."""

    def __init__(self, strategy: Strategy) -> None:
        """`strategy` is entered, and stays its maker's to leave."""
        super().__init__(strategy.slots)
        self._strategy = strategy
        self._rows: list[Row] = []

    def prepare(self, tasks: Sequence[Task]) -> None:
        """Have the strategy make ready."""
        self._strategy.prepare(tasks)

    def rows(self, tasks: Sequence[Task]) -> Generator[Row, None, None]:
        """Do the batch, and keep what comes."""
        self._rows.clear()
        for row in self._strategy.rows(tasks):
            self._rows.append(row)
            yield row

    def kernels_s(self) -> Sequence[Sequence[float]]:
        """What the kernels of each slot took in the last batch; off the clock."""
        slots: defaultdict[str | None, list[float]] = defaultdict(list)
        for outcome in chain.from_iterable(self._rows):
            if outcome.hops is not None:
                slots[outcome.slot].append(outcome.hops.compute_s)
        self._rows.clear()
        return [*slots.values()]

    def disturbance(self) -> str | None:
        """What befell the strategy."""
        return self._strategy.disturbance()


def bare_loop(strategy: str, tasks: tuple[Task, ...]) -> BareLoop:
    """The other side."""
    stage, kernel, payloads = tasks[0].stage, tasks[0].kernel, [task.payload for task in tasks]
    # Tasks that do nothing have no pictures to cross.
    crossing = BareCrossing if isinstance(payloads[0], np.ndarray) else BareProcesses
    makers: dict[str, Callable[[], BareLoop]] = {
        "serial": lambda: BareSerial(stage, kernel, payloads),
        "threads": lambda: BareThreads(stage, kernel, payloads, SLOTS),
        "processes": lambda: crossing(stage, kernel, payloads, SLOTS),
        ONE_SLOT: lambda: crossing(stage, kernel, payloads, 1),
    }
    return makers[strategy]()


def works() -> Iterator[tuple[str, str, Batch]]:
    """Every strategy with every kernel that tells of the harness; pictures for `numpy` cost processes a copy."""
    for kernel, width, height in WORK:
        picture: Payload = photograph(1, 0, width, height)
        for strategy, make in STRATEGIES.items():
            if kernel == "loop" or strategy in ("serial", "threads"):
                work = batch("grayscale", kernel, [picture] * (TASKS * make().slots))
                yield strategy, f"{kernel} {width}x{height}", work


def lived(strategy: str, work: str, done: Batch, rounds: int, order: random.Random) -> Figures:
    """Both sides in turns: a round to warm up, then `rounds`, each in a fresh order and each batch laid out anew."""
    timings: dict[str, list[Timing]] = {"ours": [], "bare": []}
    with STRATEGIES[strategy]() as ours, closing(bare_loop(strategy, done.tasks)) as bare, all_kept():
        sides = {"ours": lambda: _timing(Heard(ours), done), "bare": bare.timing}
        if strategy == ONE_SLOT:
            keep_apart()
        for number in range(1 + rounds):
            for side in order.sample(tuple(sides), 2):
                if number:
                    lay_out_anew()
                timings[side].append(sides[side]())
    return Figures(strategy, work, len(done.tasks), *(_side(timings[side][1:]) for side in ("ours", "bare")))


def _side(timings: Sequence[Timing]) -> Side:
    return Side(
        [timing.makespan_s for timing in timings],
        [fmean(chain.from_iterable(timing.kernels_s)) for timing in timings],
        [timing.makespan_s / max(map(sum, timing.kernels_s)) - 1 for timing in timings],
    )


def keep_apart() -> None:
    """Have the processes that work on one processor, and this one on the others, where the system lets us.

    Where each runs is chance otherwise, one processor may be slower than another for long, and the two sides are
    different processes.
    """
    here = psutil.Process()
    processors = here.cpu_affinity() if hasattr(here, "cpu_affinity") else []
    if len(processors) > 1:
        for process in here.children():
            process.cpu_affinity(processors[-1:])
        here.cpu_affinity(processors[:-1])


def lay_out_anew() -> None:
    """Have small objects lie elsewhere, here and in the processes that work: any_layout/sitecustomize.py says why.

    A child that waits for its batch does so at once, while this process still has its own to do.
    """
    if os.environ.get("BREAKEVEN_ANY_LAYOUT"):
        for process in (*psutil.Process().children(), psutil.Process()):
            process.send_signal(signal.SIGUSR1)


def _timing(strategy: Heard, done: Batch) -> Timing:
    """One batch, as a run measures it."""
    sample, failures = measure(strategy, done.tasks, done.expected, SamplePosition(0, 0, 0.0))
    if failures or not sample.correct:
        raise RuntimeError(f"{type(strategy).__name__} gave {sample} with {failures}")
    return Timing(sample.makespan_s, strategy.kernels_s())


def emptied(strategy: str, order: random.Random) -> CpuFigures:
    """One batch of empty tasks on each side, after one to warm up."""
    nothing = tuple(Task(index, "diagnostics", "noop", "nothing") for index in range(EMPTY_TASKS))
    with STRATEGIES[strategy]() as ours, closing(bare_loop(strategy, nothing)) as bare:
        sides: dict[str, Callable[[], object]] = {"ours": lambda: list(ours.rows(nothing)), "bare": bare.run}
        cpu_s = {}
        for _ in range(2):
            for side in order.sample(tuple(sides), 2):
                cpu_s[side] = _cpu_s_of(sides[side])
    return CpuFigures(strategy, cpu_s["ours"] / EMPTY_TASKS, cpu_s["bare"] / EMPTY_TASKS)


def _cpu_s_of(do: Callable[[], object]) -> float:
    children_before, before = _children_cpu_s(), time.process_time()
    kept = do()
    elapsed = time.process_time() - before + _children_cpu_s() - children_before
    del kept
    return elapsed


def _children_cpu_s() -> float:
    times = [child.cpu_times() for child in psutil.Process().children()]
    return float(sum(each.user + each.system for each in times))


def main() -> None:
    """Live once."""
    keep_freed_memory()
    order = random.Random()  # noqa: S311 - an order, not a secret
    asked = ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("rounds", nargs="?", type=int, default=10)
    asked.add_argument("--empty", action="store_true", help="also the CPU time of empty tasks")
    asked.add_argument("--only", choices=STRATEGIES, help="one strategy alone")
    options = asked.parse_args()
    everywhere = psutil.Process().cpu_affinity() if hasattr(psutil.Process, "cpu_affinity") else None
    work = []
    for strategy, what, done in works():
        if options.only in (None, strategy):
            work.append(lived(strategy, what, done, options.rounds, order))
            if everywhere is not None:
                psutil.Process().cpu_affinity(everywhere)
    empty = [emptied(strategy, order) for strategy in STRATEGIES] if options.empty else []
    print(json.dumps({"work": [asdict(each) for each in work], "empty": [asdict(each) for each in empty]}))


if __name__ == "__main__":
    main()
