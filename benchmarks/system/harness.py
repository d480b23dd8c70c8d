"""What the harness costs: each in-process strategy against a bare script with the same executor and chunks.

    python benchmarks/system/harness.py [--quick] [--update-docs] [--only STRATEGY]

The bare script calls the kernel in a loop, or hands it to `ThreadPoolExecutor` or `ProcessPoolExecutor` in the same
chunks; it times no task, checks no output and survives no dead process. Ours runs under the product's clock. A kernel
takes 1 ms or more. The last row is the transport `shared-memory`, with a chunk of 2, against
`ProcessPoolExecutor.map` as it comes.

Goals: at most 1.02 times the bare script, met if the interval reaches 1.02; and shared memory at least 3 times as
fast as `map`. Takes a minute, with --quick half of that.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import batch
from benchmarks.shared.turns import Side, stopwatch, turns, typical, versus
from orchestrator.measurement.clock import SamplePosition, all_kept, measure
from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import seconds as shown
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.processes import Processes
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.threads import Threads
from worker.allocator import keep_freed_memory
from worker.contract import Pixels
from worker.stages import kernel_of

SLOTS = 2
ROUNDS = 41
HARNESS_GOAL = 1.02
SHARED_MEMORY_GOAL = 3.0
SHARED_MEMORY_CHUNK = 2
COUNT = 60  # tasks in a batch


@dataclass(frozen=True)
class Work:
    """A kernel of 1 ms or more, on pictures of `height` x `width`."""

    kernel: str
    height: int
    width: int

    @property
    def pictures(self) -> list[Pixels]:
        """Noise, a picture a task."""
        noise, shape = np.random.default_rng(0), (self.height, self.width, 3)
        return [noise.integers(0, 256, shape, dtype=np.uint8) for _ in range(COUNT)]

    @property
    def name(self) -> str:
        """The kernel and its pictures."""
        return f"{self.kernel} {self.width}x{self.height}"


LOOP, NUMPY = Work("loop", 40, 40), Work("numpy", 800, 800)


@dataclass(frozen=True)
class Case:
    """A strategy with its work; `executor` is the bare script's, `None` for a loop."""

    strategy: str
    work: Work
    chunk: int
    make: Callable[[], Strategy]
    executor: Callable[[], Executor] | None


def threads() -> Executor:
    """The bare script's threads."""
    return ThreadPoolExecutor(SLOTS)


def processes() -> Executor:
    """The bare script's processes."""
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(SLOTS, mp_context=context, initializer=keep_freed_memory)


def cases() -> Iterator[Case]:
    """Every strategy of this machine, with the chunks that its rows have."""
    for work in (LOOP, NUMPY):
        yield Case("serial", work, 1, lambda: Serial(1), None)
        yield Case("threads", work, 1, lambda: Threads(SLOTS), threads)
    for chunk in (1, 4):
        yield Case("processes", LOOP, chunk, lambda chunk=chunk: Processes(SLOTS, chunk), processes)


def ours(strategy: Strategy, work: Work, pictures: Sequence[Pixels]) -> Side:
    """One batch under the product's clock, which looks at every output."""
    todo = batch("grayscale", work.kernel, list(pictures))

    def seconds() -> float:
        sample, failures = measure(strategy, todo.tasks, todo.expected, SamplePosition(0, 0, 0.0))
        if failures or not sample.correct:
            raise RuntimeError(f"{strategy} gave {sample} with {failures}")
        return sample.makespan_s

    return seconds


def bare(executor: Executor | None, work: Work, pictures: Sequence[Pixels], chunk: int) -> Side:
    """The same batch in a bare script."""
    kernel = kernel_of("grayscale", work.kernel)
    if executor is None:
        return stopwatch(lambda: [kernel(picture) for picture in pictures])
    return stopwatch(lambda: list(executor.map(kernel, pictures, chunksize=chunk)))


def compared(case: Case, rounds: int) -> tuple[float, float, Estimate]:
    """The seconds of a task, ours and bare, and how many times as long ours took."""
    pictures = case.work.pictures
    with ExitStack() as stack:
        executor = None if case.executor is None else stack.enter_context(case.executor())
        strategy = stack.enter_context(case.make())
        stack.enter_context(all_kept())
        found = turns(
            {
                "ours": ours(strategy, case.work, pictures),
                "bare": bare(executor, case.work, pictures, case.chunk),
            },
            rounds,
        )
    each = {side: typical(samples) / COUNT for side, samples in found.items()}
    return each["ours"], each["bare"], versus(found["ours"], found["bare"])


def interval(ratio: Estimate) -> str:
    """The interval of a ratio."""
    return f"{ratio.low:.3f} to {ratio.high:.3f}"


def main() -> int:
    """Print the table; 1 if a goal was missed."""
    parsed = parser(__doc__)
    parsed.add_argument("--only", choices=("serial", "threads", "processes", "shared-memory"))
    options = parsed.parse_args()
    if options.only and options.update_docs:
        parsed.error("--update-docs needs every row; leave out --only")
    keep_freed_memory()
    rounds = 6 if options.quick else ROUNDS  # an interval needs six
    page = Page(__file__, options)
    page.head("strategy", "kernel", "chunk", "bare, a task", "ours, a task", "ours / bare", "95 % interval")
    ratios: list[Estimate] = []
    for case in cases():
        if options.only not in (None, case.strategy):
            continue
        mine, theirs, ratio = compared(case, rounds)
        ratios.append(ratio)
        page.row(
            case.strategy,
            case.work.name,
            str(case.chunk),
            shown(theirs),
            shown(mine),
            f"{ratio.point:.3f}",
            interval(ratio),
        )
    met = all(ratio.low is not None and ratio.low <= HARNESS_GOAL for ratio in ratios)
    words = (
        [f"at most {max(ratio.point for ratio in ratios):.3f} times as long as the bare script"]
        if ratios
        else []
    )
    if options.only in (None, "shared-memory"):
        page.say()
        page.head("transport", "kernel", "`map`, a task", "ours, a task", "times as fast", "95 % interval")
        case = Case(
            "processes", NUMPY, 1, lambda: Processes(SLOTS, SHARED_MEMORY_CHUNK, "shared-memory"), processes
        )
        mine, theirs, ratio = compared(case, rounds)
        faster = ratio.inverse
        met &= faster.high is not None and faster.high >= SHARED_MEMORY_GOAL
        page.row(
            f"shared-memory, chunk {SHARED_MEMORY_CHUNK}",
            NUMPY.name,
            shown(theirs),
            shown(mine),
            f"{faster.point:.2f}",
            interval(faster),
        )
        words.append(f"shared memory {faster.point:.2f} times as fast as `map`")
    return page.verdict(
        met,
        f"{', '.join(words)}; a strategy may take {HARNESS_GOAL} times as long, and shared memory is to be at least "
        f"{SHARED_MEMORY_GOAL:g} times as fast; an interval that reaches its goal meets it.",
    )


if __name__ == "__main__":
    sys.exit(main())
