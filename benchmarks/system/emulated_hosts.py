"""Do predictions hold for hosts that were not there? Workers in containers of a quarter of a core each.

    python benchmarks/system/emulated_hosts.py [--quick] [--rounds 9] [--update-docs]

Starts docker-compose.yml with six workers of one slot and 0.25 of a processor and an orchestrator of as much,
so that two processors suffice for all. Then `scale` runs on work that computes and on the whole pipeline, on
one to six workers. The table shows what was measured on each number of hosts, and what is predicted from up to
three. Goal: the median of the absolute errors on four to six hosts is at most 10 %. Needs a Docker engine with
Compose. Takes about six minutes on two cores, plus building the images once.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator import results
from orchestrator.analysis.queueing.prediction import HypotheticalFleet, predict
from orchestrator.analysis.scaling.cost import costs
from orchestrator.analysis.stats.intervals import makespan
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.cost import cost_sentences

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

ROOT = Path(__file__).parents[2]
PROJECT = "breakeven-hosts"
HOSTS = (1, 2, 3, 4, 5, 6)
KNOWN = 3
LARGEST_MEDIAN = 0.10
QUARTER = {"WORKER_CPUS": "0.25", "WORKER_CONCURRENCY": "1", "ORCHESTRATOR_CPUS": "0.25"}


@dataclass(frozen=True, slots=True)
class Work:
    """What the hosts do; 60 images are whole turns on one to six hosts."""

    name: str
    stage: str
    options: tuple[str, ...]


WORKS = (
    Work("computes", "grayscale", ("--stage", "grayscale", "--kernel", "loop", "--size", "192x144")),
    Work("pipeline", "pipeline", ("--stage", "pipeline", "--size", "512x384", "--latency-ms", "50")),
)


def compose(*arguments: str, timeout_s: float) -> str:
    """Return what a Compose command writes to standard output.

    Raises:
        SystemExit: the command failed; with the end of its output.
    """
    command = ["docker", "compose", "--project-name", PROJECT, *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **QUARTER},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    return done.stdout


@contextmanager
def hosts_up() -> Iterator[None]:
    """Start the stack with all hosts, and remove it afterwards."""
    if shutil.which("docker") is None:
        sys.exit("docker is not installed; this needs an engine and Compose")
    compose("build", timeout_s=1800)
    try:
        services = ("redis", "origin", "worker")
        compose("up", "--detach", "--wait", "--scale", f"worker={HOSTS[-1]}", *services, timeout_s=300)
        yield
    finally:
        compose("down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "5", timeout_s=120)


def measured(work: Work, rounds: int, images: int) -> Run:
    """Measure the work on one to six hosts, and serially in the orchestrator's container."""
    text = compose(
        *("run", "--rm", "orchestrator", "scale", "--slots", ",".join(map(str, HOSTS)), *work.options),
        *("--strategy", "serial", "--strategy", "celery", "--images", str(images), "--rounds", str(rounds)),
        *("--output", "/tmp/results", "--json", "-"),  # noqa: S108 - the container's own, gone with it
        timeout_s=1200,
    )
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return results.read(Path(file.name))


def celery(run: Run) -> list[CellResult]:
    """Return the results of the Celery cells by hosts, without the second half of the A/A pair."""
    found = [each for each in run.cells if each.cell.distributed and not each.cell.replica]
    return sorted(found, key=lambda each: each.cell.slots)


def say(page: Page, work: Work, run: Run) -> list[float]:
    """Print the rows of a work, and return the errors of the predictions."""
    known = replace(run, cells=tuple(each for each in run.cells if each.cell.slots <= KNOWN))
    errors = []
    for result in celery(run):
        slots, tasks = result.cell.slots, result.samples[0].tasks
        truth = makespan(result)
        assert truth is not None
        done = truth.inverse.scaled(tasks)
        made = predict(known, celery(known)[-1].cell, HypotheticalFleet(slots)).throughput_per_s
        error = made.point / done.point - 1
        errors += [error] if slots > KNOWN else []
        page.row(
            work.name,
            str(slots),
            f"{done.point:.1f}",
            "" if done.low is None else f"{done.low:.1f} to {done.high:.1f}",
            f"{made.point:.1f}" if slots > KNOWN else "",
            f"{made.low:.1f} to {made.high:.1f}" if slots > KNOWN and made.low is not None else "",
            f"{error:+.1%}" if slots > KNOWN else "",
        )
    return errors


def main() -> int:
    """Start, measure, predict; return 1 if the goal is missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=9)
    options = arguments.parse_args()
    page = Page(__file__, options)
    rounds, images = (5, 12) if options.quick else (options.rounds, 60)
    with hosts_up():
        runs = {work: measured(work, rounds, images) for work in WORKS}
    page.head("work", "hosts", "tasks/s", "its interval", "predicted", "its interval", "error")
    errors = [error for work, run in runs.items() for error in say(page, work, run)]
    for work, run in runs.items():
        page.say()
        page.say(f"{work.name}: {' '.join(cost_sentences(costs(run, work.stage)))}")
    middle = statistics.median(map(abs, errors))
    return page.verdict(
        middle <= LARGEST_MEDIAN,
        f"median absolute error on {KNOWN + 1} to {HOSTS[-1]} hosts {middle:.1%} (at most {LARGEST_MEDIAN:.0%}).",
    )


if __name__ == "__main__":
    sys.exit(main())
