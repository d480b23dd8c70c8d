"""What the harness costs: each in-process strategy under the product's clock, against a bare loop.

    python benchmarks/harness.py [--quick] [--update-docs] [--rows FILE]

Held against each other, in turns, in a fresh order each round, on two slots unless it says otherwise (serial: one):

- serial: a plain `for` loop that calls the kernel;
- threads: a hand-written pool of as many threads that take payloads from one shared iterator;
- processes: as many warm processes. The orchestrator copies to each its half of the pictures, into shared memory,
  and says so with one byte; they do a plain loop, leave the gray ones in shared memory and answer with one byte.
  Once with two slots, so that on two processors the orchestrator has none to itself, and once with one. One
  process does the same Python loop some percent faster than another for as long as it lives, by where its memory
  happens to lie: so both sides are started anew again and again.
- *nothing crosses*: processes that hold the pictures from the start and keep the gray ones, so that nothing crosses
  at all, which no pool can have. No goal: what is more than above is the price of another core's cache.

The product's side is `measure` with the strategy, as a run has it: every task's wall and CPU time is taken,
every output kept and checked (off the clock). The ratio is the project's own paired estimate. The kernels:
`loop` is pure Python and holds the GIL, `numpy` lets it go. Goal: at most 1 % more than the bare loop.

The second table is CPU time, of this process and its children together, which other work on the machine
changes less: what a task costs more than in the bare loop, for empty tasks and for those of about 1 ms.
Takes about six minutes on two cores, with --quick one.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from bare_loops import BareCrossing, BareLoop, BareProcesses, BareSerial, BareThreads
from page import Page, parser
from real_rounds import Batch, batch
from rows import Goal, Row, write

from orchestrator.analysis.estimates import ratio
from orchestrator.inputs.synthetic import photograph
from orchestrator.judgements import Estimate
from orchestrator.measurement import Place, measure
from orchestrator.reports.figures import seconds as shown
from orchestrator.strategies.processes import Processes
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.strategy import Strategy
from orchestrator.strategies.threads import Threads
from worker.contract import Payload, Task
from worker.memory import keep_freed_memory

SLOTS = 2
ROUNDS, QUICK_ROUNDS = 61, 7
ALLOWED = 1.01
ROUNDS_A_LIFE = 3
"""Processes are started anew after so many."""

UNCROSSED = "processes, 1 slot, nothing crosses"

EMPTY_TASKS = 4000
WORK = (("loop", 60, 60, 60), ("loop", 120, 120, 16), ("numpy", 1600, 1500, 60))
"""Kernel, width, height and tasks: of about 1.5 ms, 6 ms and 2 ms; none below 1 ms."""


@dataclass(frozen=True)
class Match:
    """A strategy and its bare loop, and the batch that both do."""

    strategy: str
    work: str
    batch: Batch
    harness: Strategy
    bare: BareLoop
    restart: Callable[[], tuple[Strategy, BareLoop]] | None = None


def strategies(stack: ExitStack) -> dict[str, Strategy]:
    """The product's side, up and ready."""
    made: dict[str, Strategy] = {
        "serial": Serial(1),
        "threads": Threads(SLOTS),
        "processes": Processes(SLOTS),
    }
    made["processes, 1 slot"] = Processes(1)
    made[UNCROSSED] = Processes(1)
    return {name: stack.enter_context(strategy) for name, strategy in made.items()}


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


def processes_anew(strategy: str, tasks: tuple[Task, ...]) -> tuple[Strategy, BareLoop]:
    """New processes on both sides, the strategy not entered."""
    return Processes(1 if "1 slot" in strategy else SLOTS), bare_loop(strategy, tasks)


def matches(stack: ExitStack, ready: dict[str, Strategy]) -> Iterator[Match]:
    """Every strategy with every kernel that tells of the harness; pictures for `numpy` cost processes a copy."""
    for kernel, width, height, count in WORK:
        picture: Payload = photograph(1, 0, width, height)
        work = batch("grayscale", kernel, [picture] * count)
        for name, strategy in ready.items():
            if kernel == "loop" or name in ("serial", "threads"):
                yield _match(stack, name, f"{kernel} {width}x{height}", work, strategy)


def empty_matches(stack: ExitStack, ready: dict[str, Strategy]) -> Iterator[Match]:
    """Every strategy with tasks that do nothing."""
    tasks = tuple(Task(index, "diagnostics", "noop", "nothing") for index in range(EMPTY_TASKS))
    work = Batch(tasks, dict.fromkeys(range(EMPTY_TASKS), "nothing"))
    for name, strategy in ready.items():
        yield _match(stack, name, "nothing", work, strategy)


def _match(stack: ExitStack, name: str, label: str, work: Batch, strategy: Strategy) -> Match:
    bare = bare_loop(name, work.tasks)
    stack.callback(bare.close)
    anew = partial(processes_anew, name, work.tasks) if name.startswith("processes") else None
    return Match(name, label, work, strategy, bare, anew)


def rounds(each: Match, order: random.Random, count: int) -> tuple[dict[int, float], dict[int, float]]:
    """Makespans by round of the harness and of the bare loop, one right after the other; two to warm up."""
    if each.restart is None:
        return _rounds(each, order, range(count))
    ours: dict[int, float] = {}
    bare: dict[int, float] = {}
    for start in range(0, count, ROUNDS_A_LIFE):
        harness, loop = each.restart()
        with harness, closing(loop):
            alive = replace(each, harness=harness, bare=loop)
            one, other = _rounds(alive, order, range(start, min(count, start + ROUNDS_A_LIFE)))
        ours |= one
        bare |= other
    return ours, bare


def _rounds(
    each: Match, order: random.Random, numbers: Sequence[int]
) -> tuple[dict[int, float], dict[int, float]]:
    ours: dict[int, float] = {}
    bare: dict[int, float] = {}
    for number in (-2, -1, *numbers):
        for side in order.sample(("ours", "bare"), 2):
            if side == "bare":
                bare[number] = each.bare.seconds()
            else:
                place = Place(number, 0, 0.0)
                sample, failures = measure(each.harness, each.batch.tasks, each.batch.expected, place)
                if failures or not sample.sound:
                    raise RuntimeError(f"{each.strategy} gave {sample} with {failures}")
                ours[number] = sample.makespan_s
    return {n: ours[n] for n in numbers}, {n: bare[n] for n in numbers}


def say_work(page: Page, found: list[tuple[Match, dict[int, float], dict[int, float]]]) -> list[Row]:
    """Print the table of real work, and give its rows."""
    page.head("strategy", "work", "tasks", "a task", "bare loop", "harness / bare", "95 % interval")
    rows = []
    for each, ours, bare in found:
        times = ratio(ours, bare)
        assert times is not None
        seconds = float(np.median([*bare.values()]))
        rows.append(
            Row(
                f"harness, {each.strategy}, {each.work}",
                "the same work in a bare loop",
                shown(seconds * times.point),
                shown(seconds),
                times,
                "of the time",
                None if each.strategy == UNCROSSED else Goal("at most", ALLOWED),
            )
        )
        tasks = len(each.batch.tasks)
        slots = SLOTS if each.strategy in ("threads", "processes") else 1
        parallel = 1 if (each.strategy, each.work.split()[0]) == ("threads", "loop") else slots
        page.row(
            each.strategy,
            each.work,
            str(tasks),
            f"{1e3 * seconds * parallel / tasks:.2f} ms",
            f"{1e3 * seconds:.1f} ms",
            f"{times.point:.4f}",
            _interval(times, 4),
        )
    return rows


def cpu_s(each: Match, count: int) -> tuple[float, float]:
    """CPU seconds a task, of the harness and of the bare loop, over `count` batches of each, taking turns."""
    totals = [0.0, 0.0]
    tasks = each.batch.tasks
    for _ in range(count):
        totals[0] += _cpu_of(lambda: list(each.harness.run(tasks)))
        totals[1] += _cpu_of(each.bare.run)
    return totals[0] / count / len(tasks), totals[1] / count / len(tasks)


def _cpu_of(do: Callable[[], object]) -> float:
    children_before, before = _children_cpu_s(), time.process_time()
    kept = do()
    after = time.process_time()
    elapsed = after - before + _children_cpu_s() - children_before
    del kept
    return elapsed


def _children_cpu_s() -> float:
    times = [child.cpu_times() for child in psutil.Process().children()]
    return float(sum(each.user + each.system for each in times))


def say_cpu(page: Page, found: list[tuple[Match, float, float]]) -> None:
    """Print what a task costs more."""
    page.say()
    page.head("strategy", "work", "CPU a task, bare", "harness", "more", "of 1 ms")
    for each, ours, bare in found:
        more = ours - bare
        figures = (f"{1e6 * value:.1f} us" for value in (bare, ours, more))
        page.row(each.strategy, each.work, *figures, f"{more / 1e-3:.2%}")


def _interval(found: Estimate, digits: int) -> str:
    return f"{found.low:.{digits}f} to {found.high:.{digits}f}"


def main() -> int:
    """Print both tables; 1 if a strategy costs more than it may."""
    asked = parser(__doc__)
    asked.add_argument("--rows", type=Path, metavar="FILE", help="also write the dearest's row to this file")
    options = asked.parse_args()
    count = QUICK_ROUNDS if options.quick else ROUNDS
    keep_freed_memory()
    page = Page("harness", options)
    order = random.Random(1)  # noqa: S311 - an order that can be had again, not a secret
    with ExitStack() as stack:
        ready = strategies(stack)
        found = []
        for each in matches(stack, ready):
            print(f"{each.strategy}, {each.work}", file=sys.stderr, flush=True)
            found.append((each, *rounds(each, order, count)))
        one_ms = [each for each, _, _ in found if each.work == found[0][0].work]
        used = [(each, *cpu_s(each, count)) for each in (*empty_matches(stack, ready), *one_ms)]
    dearest = max(say_work(page, found), key=lambda row: row.missed_by)
    say_cpu(page, used)
    if options.rows is not None:
        command = f"python benchmarks/harness.py{' --quick' if options.quick else ''}"
        write([replace(dearest, note="the dearest of all", command=command)], options.rows)
    assert dearest.ratio is not None
    return page.verdict(
        dearest.missed_by <= 1,
        f"the dearest takes {dearest.ratio.point:.4f} times as long as its bare loop (at most {ALLOWED:.2f}).",
    )


if __name__ == "__main__":
    sys.exit(main())
