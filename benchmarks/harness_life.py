"""One life of `harness.py`: a fresh interpreter in which every strategy and its bare loop take turns.

    python benchmarks/harness_life.py [ROUNDS]

Prints its figures as JSON, for `harness.py` to put together; by itself it proves nothing.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
import psutil
from bare_loops import BareCrossing, BareLoop, BareProcesses, BareSerial, BareThreads
from real_rounds import Batch, batch

from orchestrator.analysis.estimates import ratio
from orchestrator.inputs.synthetic import photograph
from orchestrator.measurement import Place, measure
from orchestrator.strategies.processes import Processes
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.strategy import Strategy
from orchestrator.strategies.threads import Threads
from worker.contract import Payload, Task
from worker.memory import keep_freed_memory

SLOTS = 2
UNCROSSED = "processes, 1 slot, nothing crosses"
ONE_SLOT = ("serial", "processes, 1 slot", UNCROSSED)
STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "serial": lambda: Serial(1),
    "threads": lambda: Threads(SLOTS),
    "processes": lambda: Processes(SLOTS),
    "processes, 1 slot": lambda: Processes(1),
    UNCROSSED: lambda: Processes(1),
}

EMPTY = "nothing"
EMPTY_TASKS = 4000
REST_ROUNDS = 3
WORK = (("loop", 60, 60, 60), ("loop", 120, 120, 16), ("numpy", 1600, 1500, 60))
"""Kernel, width, height and tasks: of about 1.5 ms, 6 ms and 2 ms; none below 1 ms."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one strategy with one work took in this life, of the harness and bare.

    Makespans are medians over rounds, in seconds of a batch of `tasks`; their ratio is estimated from pairs of rounds,
    which lie next to each other. CPU times are seconds a task, of this process and its children. The two rests are
    what of a makespan no kernel took, `None` where slots work side by side.
    """

    strategy: str
    work: str
    tasks: int
    ours_s: float
    bare_s: float
    ours_of_bare: float
    ours_cpu_s: float
    bare_cpu_s: float
    ours_rest_s: float | None
    bare_rest_s: float | None


def bare_loop(strategy: str, tasks: tuple[Task, ...]) -> BareLoop:
    """The other side."""
    stage, kernel, payloads = tasks[0].stage, tasks[0].kernel, [task.payload for task in tasks]
    # Tasks that do nothing have no pictures to cross.
    crossing = BareCrossing if isinstance(payloads[0], np.ndarray) else BareProcesses
    makers: dict[str, Callable[[], BareLoop]] = {
        "serial": lambda: BareSerial(stage, kernel, payloads),
        "threads": lambda: BareThreads(stage, kernel, payloads, SLOTS),
        "processes": lambda: crossing(stage, kernel, payloads, SLOTS),
        "processes, 1 slot": lambda: crossing(stage, kernel, payloads, 1),
        UNCROSSED: lambda: BareProcesses(stage, kernel, payloads, 1),
    }
    return makers[strategy]()


def works() -> Iterator[tuple[str, str, Batch]]:
    """Every strategy with every kernel that tells of the harness; pictures for `numpy` cost processes a copy."""
    for kernel, width, height, count in WORK:
        picture: Payload = photograph(1, 0, width, height)
        work = batch("grayscale", kernel, [picture] * count)
        for strategy in STRATEGIES:
            if kernel == "loop" or strategy in ("serial", "threads"):
                yield strategy, f"{kernel} {width}x{height}", work
    nothing = tuple(Task(index, "diagnostics", "noop", EMPTY) for index in range(EMPTY_TASKS))
    for strategy in STRATEGIES:
        yield strategy, EMPTY, Batch(nothing, dict.fromkeys(range(EMPTY_TASKS), EMPTY))


def lived(strategy: str, work: str, done: Batch, rounds: int, order: random.Random) -> Figures:
    """Both sides in turns, one round to warm up and then `rounds`, each in a fresh order; CPU time in one more."""
    makespans: dict[str, list[float]] = {"ours": [], "bare": []}
    rests: list[float] = []
    with STRATEGIES[strategy]() as ours, closing(bare_loop(strategy, done.tasks)) as bare:
        seconds = {"ours": lambda: _seconds(ours, done, rests), "bare": bare.seconds}
        for _ in range(1 + rounds):
            for side in order.sample(tuple(seconds), 2):
                makespans[side].append(seconds[side]())
        alone = strategy in ONE_SLOT
        bare_rests = [bare.rest_s() for _ in range(min(rounds, REST_ROUNDS))] if alone else []
        batch_of = {"ours": lambda: list(ours.run(done.tasks)), "bare": bare.run}
        cpu_s = {side: _cpu_s_of(batch_of[side]) for side in order.sample(tuple(batch_of), 2)}
    tasks = len(done.tasks)
    paired = ratio(*(dict(enumerate(makespans[side][1:])) for side in ("ours", "bare")))
    assert paired is not None  # every round has both
    return Figures(
        strategy,
        work,
        tasks,
        ours_s=median(makespans["ours"][1:]),
        bare_s=median(makespans["bare"][1:]),
        ours_of_bare=paired.point,
        ours_cpu_s=cpu_s["ours"] / tasks,
        bare_cpu_s=cpu_s["bare"] / tasks,
        ours_rest_s=median(rests[1:]) if alone else None,
        bare_rest_s=median(rest for rest in bare_rests if rest is not None) if alone else None,
    )


def _seconds(strategy: Strategy, done: Batch, rests: list[float]) -> float:
    """The makespan of one batch, as a run measures it; what of it no kernel took is added to `rests`."""
    sample, failures = measure(strategy, done.tasks, done.expected, Place(0, 0, 0.0))
    if failures or not sample.sound:
        raise RuntimeError(f"{type(strategy).__name__} gave {sample} with {failures}")
    assert sample.hops is not None  # every strategy times its kernels
    rests.append(sample.makespan_s - sample.hops.compute_s * sample.tasks)
    return sample.makespan_s


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
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    lives = (
        lived(strategy, work, done, 1 if work == EMPTY else rounds, order) for strategy, work, done in works()
    )
    print(json.dumps([asdict(life) for life in lives]))


if __name__ == "__main__":
    main()
