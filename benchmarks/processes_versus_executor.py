"""The strategy `processes` against `ProcessPoolExecutor.map` with pickled arrays.

    python -m benchmarks.processes_versus_executor --rounds 15

Both pools are spawned, have two slots, are warm and run the same kernels; rounds are interleaved.
The ratio of a round is the executor's makespan over ours, so above 1 we are faster; medians and quartiles of
the rounds' ratios are printed. Every output is checked once, off the clock.

The second table is what each strategy adds to a task: makespan minus the same calls in a bare loop.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from orchestrator.strategies.processes import Processes
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.strategy import Strategy
from orchestrator.strategies.threads import Threads
from orchestrator.strategies.vectorized import Vectorized
from worker.contract import Pixels, Task
from worker.execution import execute
from worker.stages import STAGES, kernel_of

SLOTS = 2


def gray(pixels: Pixels) -> Pixels:
    """What the executor is given to do."""
    return kernel_of("grayscale", "numpy")(pixels)  # type: ignore[no-any-return]  # a kernel of pixels gives pixels


def gray_loop(pixels: Pixels) -> Pixels:
    """The same, bound to an interpreter."""
    return kernel_of("grayscale", "loop")(pixels)  # type: ignore[no-any-return]


def batch(kernel: str, height: int, width: int, count: int) -> list[Task]:
    """`count` pictures of noise."""
    noise = np.random.default_rng(0)
    return [
        Task(i, "grayscale", kernel, noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for i in range(count)
    ]


def makespan(do: Callable[[], object]) -> float:
    """Seconds until the last output is here; what was returned is dropped off the clock."""
    started = time.perf_counter()
    outputs = do()
    elapsed = time.perf_counter() - started
    del outputs
    return elapsed


def interleaved(rounds: int, sides: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Makespans of every side, a round after the other, each in a fresh order; two to warm up."""
    order = random.Random(1)  # noqa: S311 - no secret
    makespans: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-2, rounds):
        for name in order.sample(list(sides), len(sides)):
            seconds = makespan(sides[name])
            if number >= 0:
                makespans[name].append(seconds)
    return makespans


def spread(values: Sequence[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:7.3f} [{low:.3f}, {high:.3f}]"


def versus_executor(rounds: int) -> None:
    """Print the first table."""
    context = multiprocessing.get_context("spawn")
    cases = {
        "1.9 MB in, 0.64 MB out, numpy": (gray, batch("numpy", 800, 800, 20)),
        "1 ms of Python, small arrays": (gray_loop, batch("loop", 48, 48, 100)),
        "no work, tiny arrays": (gray, batch("numpy", 2, 2, 1000)),
    }
    with Processes(SLOTS) as ours, ProcessPoolExecutor(SLOTS, mp_context=context) as executor:
        for name, (function, tasks) in cases.items():
            payloads = [task.payload for task in tasks]
            reference = STAGES["grayscale"].reference
            assert all(
                np.array_equal(outcome.output, reference(payloads[outcome.task_id]))  # type: ignore[arg-type]
                for outcome in ours.run(tasks)
            )
            makespans = interleaved(
                rounds,
                {
                    "ours": lambda tasks=tasks: list(ours.run(tasks)),  # type: ignore[misc]
                    "map": lambda f=function, p=payloads: list(executor.map(f, p)),  # type: ignore[misc]
                    "map, chunks": lambda f=function, p=payloads: list(  # type: ignore[misc]
                        executor.map(f, p, chunksize=max(1, len(p) // (4 * SLOTS)))
                    ),
                    "bare loop": lambda f=function, p=payloads: [f(one) for one in p],  # type: ignore[misc]
                },
            )
            print(f"{name}: {len(tasks)} tasks, {rounds} rounds")
            for side, seconds in makespans.items():
                ratios = [theirs / mine for theirs, mine in zip(seconds, makespans["ours"], strict=True)]
                each = [value / len(tasks) * 1e3 for value in seconds]
                print(f"  {side:12} {spread(each)} ms a task   {spread(ratios)} times ours")


def overhead(rounds: int) -> None:
    """Print the second table: tasks of 1 ms and of nothing."""
    for name, tasks in (("1 ms", batch("loop", 48, 48, 100)), ("nothing", batch("numpy", 2, 2, 2000))):
        kernel = kernel_of(tasks[0].stage, tasks[0].kernel)
        strategies: dict[str, Strategy] = {
            "serial": Serial(1),
            "threads": Threads(1),
            "processes": Processes(1),
        }
        if name == "nothing":
            strategies["vectorized"] = Vectorized(1)
        sides: dict[str, Callable[[], object]] = {
            "bare loop": lambda tasks=tasks, kernel=kernel: [kernel(task.payload) for task in tasks],  # type: ignore[misc]
            "execute loop": lambda tasks=tasks: [execute(task) for task in tasks],  # type: ignore[misc]
        }
        for label, strategy in strategies.items():
            strategy.__enter__()
            sides[label] = lambda strategy=strategy, tasks=tasks: list(strategy.run(tasks))  # type: ignore[misc]
        makespans = interleaved(rounds, sides)
        for strategy in strategies.values():
            strategy.__exit__(None, None, None)
        print(f"one slot, tasks of {name}")
        for side, seconds in makespans.items():
            extra = [(s - b) / len(tasks) * 1e6 for s, b in zip(seconds, makespans["bare loop"], strict=True)]
            ratios = [s / b for s, b in zip(seconds, makespans["bare loop"], strict=True)]
            print(f"  {side:12} {spread(extra)} us a task more   {spread(ratios)} times the bare loop")


def main() -> None:
    """Print both tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=15)
    rounds = options.parse_args().rounds
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    versus_executor(rounds)
    overhead(rounds)


if __name__ == "__main__":
    main()
