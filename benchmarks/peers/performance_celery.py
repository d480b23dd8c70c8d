"""What does a Celery task cost with our strategy, against a short script, and what does one fused task save?

    python benchmarks/peers/performance_celery.py [--quick] [--update-docs]

One embedded broker, two slots per side (workers of one process, started by the same command line), one side
busy at a time, 21 rounds in a fresh order.

- The script is `idiomatic_celery.py`: `delay` for every task, then `get` for every result. Once with our
workers' settings of delivery, and once with Celery's; the pool is Celery's default, prefork, on every side. Ours
times every hop and checks every output. 500 empty tasks; the best chunk is the fastest of those tried.
- The pipeline takes a URL and returns a gray picture. The three stages do the same as three batches with payloads in
Redis: once with outputs fetched and sent again (`local`), once with payloads that stay in the store (`resident`).
Sixteen pictures of 800x800, no latency.

Takes two minutes, with --quick half a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs import source
from orchestrator.inputs.image_server import ImageServer
from orchestrator.inputs.provisioning import start_image_server
from orchestrator.inputs.workload import Workload, prepare
from orchestrator.model.runs import Data
from orchestrator.phrases.numbers import seconds as shown
from orchestrator.strategies.celery import Celery
from worker.stages import STAGES

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.celery_sides import measured, nothing, one_broker, ours, script
from benchmarks.shared.idiomatic_celery import check_noops, noops
from benchmarks.shared.page import parser
from benchmarks.shared.real_rounds import Batch
from benchmarks.shared.rows import Goal, Row, finish, progress, rounds_of
from benchmarks.shared.turns import Side, turns, typical, versus

SLOTS = 2
TASKS = 500
CHUNKS = (1, 10, 50, 125, 250)
IMAGES, SIDE = 16, 800
SEPARATE = ("download", "decode", "grayscale")

Found = Mapping[str, Mapping[int, float]]


def noop_sides(stack: ExitStack, processes: ChildProcesses, fleet: Fleet) -> dict[str, Side]:
    """Return our strategy with every chunk, and the script with both settings."""
    sides = {
        f"chunk {chunk}": measured(ours(stack, fleet, SLOTS, "redis", chunk), nothing(TASKS))
        for chunk in CHUNKS
    }
    for delivery in ("ours", "default"):
        does = {f"script, {delivery}": (noops, TASKS, check_noops)}
        sides |= script(stack, processes, fleet, SLOTS, delivery, does)
    return sides


def noop_rows(found: Found) -> Iterator[Row]:
    """Return the rows of empty tasks."""
    same, default = "script, ours", "script, default"
    best = min((f"chunk {chunk}" for chunk in CHUNKS), key=lambda name: typical(found[name]))
    one = "Celery no-op, instrumented, chunk 1"
    for what, name, against, theirs, goal in (
        (one, "chunk 1", "the shortest script, same worker settings", same, Goal("at most", 0.85)),
        (one, "chunk 1", "the shortest script, Celery's defaults", default, Goal("at most", 0.85)),
        (f"Celery no-op, best chunk ({best})", best, "the first script", same, Goal("at most", 0.1)),
    ):
        yield Row(
            what,
            against,
            f"{shown(typical(found[name]) / TASKS)} a task",
            f"{shown(typical(found[theirs]) / TASKS)} a task",
            versus(found[name], found[theirs]),
            "of the time",
            goal,
        )


def workload(processes: ChildProcesses) -> Workload:
    """Return pictures, and what each stage takes and gives."""
    base = start_image_server(processes, ImageServer(images=IMAGES, width=SIDE, height=SIDE, seed=1))
    return prepare(source.parse("origin").urls(base, IMAGES))


def pipeline_sides(stack: ExitStack, fleet: Fleet, work: Workload) -> dict[str, Side]:
    """Return the pipeline, and the three stages with local and resident payloads."""

    def side(stage: str, data: Data) -> Side:
        strategy = stack.enter_context(Celery(SLOTS, fleet, "redis", 1, data))
        return measured(strategy, Batch(work.tasks(stage, STAGES[stage].best), work.expected[stage]))

    def one_after_the_other(data: Data) -> Side:
        sides = [side(stage, data) for stage in SEPARATE]
        return lambda: sum(each() for each in sides)

    return {
        "pipeline": side("pipeline", "local"),
        "local": one_after_the_other("local"),
        "resident": one_after_the_other("resident"),
    }


def pipeline_rows(found: Found) -> Iterator[Row]:
    """Return the rows of the pipeline, per image."""
    for name, against, goal in (
        ("local", "the three stages as separate Celery tasks", Goal("at least", 2)),
        ("resident", "the same, payloads staying in the store", None),
    ):
        yield Row(
            "pipeline on a slot",
            against,
            f"{shown(typical(found['pipeline']) / IMAGES)} an image",
            f"{shown(typical(found[name]) / IMAGES)} an image",
            versus(found[name], found["pipeline"]),
            "times the throughput",
            goal,
        )


def main() -> int:
    """Print the rows; return 1 if a goal was missed."""
    options = parser(__doc__).parse_args()
    with one_broker(SLOTS) as (processes, fleet):
        progress("empty tasks")
        with ExitStack() as stack:
            noop = turns(noop_sides(stack, processes, fleet), rounds_of(options))
        progress("pipeline")
        with ExitStack() as stack:
            pipeline = turns(pipeline_sides(stack, fleet, workload(processes)), rounds_of(options))
    return finish([*noop_rows(noop), *pipeline_rows(pipeline)], options, __file__)


if __name__ == "__main__":
    sys.exit(main())
