"""What does the orchestrator cost for many tasks, to start, and from a clone to a report?

    python benchmarks/peers/performance_orchestrator.py [--quick] [--update-docs]

- `make run` in a fresh clone of the last commit, once: virtual environment, installation from pip's cache,
comparison, report.
- `report --format html` of that result, and of one that `scale` measures here, against an interpreter that imports
altair and jinja2. `orchestrator --help` against one that imports typer. 21 rounds.
- A simulated run of 100,000 tasks that arrive at 80 % of what 1,000 slots can do, as `predict --rate` does it:
service times are exponential, and nothing else is a bottleneck. 21 rounds.
- 100,000 empty tasks (with --quick 10,000) against 1,000, by Celery on two embedded slots, with every outcome
checked. Time per task in chunks of four, five rounds. Memory in chunks of one, once: the peak resident set
during a batch, without making the tasks.

Takes twelve minutes, with --quick three, half of it for `make run`.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from orchestrator.analysis.queueing.open_loop import UNLIMITED, latencies_s
from orchestrator.analysis.queueing.stations import QueueingNetwork
from orchestrator.analysis.stats.intervals import estimate
from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import number
from orchestrator.phrases.numbers import seconds as shown

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.celery_sides import measured, nothing, one_broker, ours
from benchmarks.shared.page import parser
from benchmarks.shared.rows import Goal, Row, finish, progress, rounds_of
from benchmarks.shared.turns import Side, stopwatch, turns, typical, versus

SLOTS = 2
MANY, QUICK_MANY, FEW = 100_000, 10_000, 1_000
ROUNDS, REPEATS = 5, 10
CHUNK = 4
REPOSITORY = Path(__file__).parents[2]
CLONE_S = 600  # seconds that `make run` may take
SCALE = ("scale", "--slots", "1,2,4", "--stage", "decode", "--images", "24", "--rounds", "6")
FLEET_SLOTS = 1_000


def peak_bytes(do: Callable[[], object]) -> int:
    """Return the largest resident set of this process during `do` (`man 5 proc`, clear_refs and VmHWM)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    do()
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell a process's peak memory")


def batch_rows(many: int) -> Iterator[Row]:
    """Return the rows of a large batch against a small one: time per task, and memory."""
    what, against, works = (
        f"orchestrator, {many:,} empty tasks",
        f"{FEW:,} tasks",
        (nothing(FEW), nothing(many)),
    )
    with one_broker(SLOTS) as (_, fleet), ExitStack() as stack:
        strategy = ours(stack, fleet, SLOTS, "redis", 1)
        few, lot = (measured(strategy, work) for work in works)
        few()
        before, peak = peak_bytes(few), peak_bytes(lot)
        strategy = ours(stack, fleet, SLOTS, "redis", CHUNK)
        few, lot = (measured(strategy, work) for work in works)
        a_task = _a_task(few, lot, many)
    yield Row(
        f"{what}: time a task",
        against,
        shown(typical(a_task[many])),
        shown(typical(a_task[FEW])),
        versus(a_task[many], a_task[FEW]),
        "of the time a task",
        Goal("at most", 1.1),
    )
    yield Row(
        f"{what}: memory",
        against,
        f"{number(peak / 1e6)} MB",
        f"{number(before / 1e6)} MB",
        Estimate((peak - before) / 1e6),
        "MB more",
        Goal("at most", 20),
    )


def _a_task(few: Side, lot: Side, many: int) -> dict[int, dict[int, float]]:
    """Return the seconds per task by round, of the small batch (the mean of several) and of the large one."""
    order, found = random.Random(1), {FEW: {}, many: {}}  # type: ignore[var-annotated]  # noqa: S311 - no secret
    for round_ in range(ROUNDS):
        progress(f"{many:,} tasks and {FEW:,}, round {round_ + 1} of {ROUNDS}")
        for count in order.sample((FEW, many), 2):
            if count == many:
                found[many][round_] = lot() / many
            else:
                found[FEW][round_] = sum(few() for _ in range(REPEATS)) / REPEATS / FEW
    return found


def process(*argv: str) -> Side:
    """Return a side that runs a program; run once before, so that its modules are compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def start() -> None:
        # A wait with a timeout polls, after a while only every 50 ms.
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=kept) as child:
            watchdog = threading.Timer(60, child.kill)
            watchdog.start()
            code = child.wait()
            watchdog.cancel()
        if code:
            raise RuntimeError(f"{' '.join(argv)} ended with {code}")

    start()
    return stopwatch(start)


def start_rows(results: Mapping[str, Path], rounds: int) -> Iterator[Row]:
    """Return the rows of commands against interpreters that import what they need most."""
    program = str(Path(sys.executable).with_name("orchestrator"))
    reports = {
        f"`report --format html` of {name}": ("report", str(path), "--format", "html")
        for name, path in results.items()
    }
    ours_ = {"`orchestrator --help`": ("--help",), **reports}
    imports = dict.fromkeys(ours_, "altair, jinja2") | {"`orchestrator --help`": "typer"}
    sides = {name: process(program, *arguments) for name, arguments in ours_.items()}
    sides |= {each: process(sys.executable, "-c", f"import {each}") for each in set(imports.values())}
    found: Mapping[str, Mapping[int, float]] = turns(sides, rounds)
    for name in ours_:
        theirs = imports[name]
        yield Row(
            name,
            f'`python -c "import {theirs}"`',
            shown(typical(found[name])),
            shown(typical(found[theirs])),
            versus(found[name], found[theirs]),
            "of the time",
            Goal("at most", 1.4 if theirs == "typer" else 2),
        )


def simulation_row(rounds: int) -> Row:
    """Return the row of a simulated fleet whose tasks arrive one by one."""
    rng = np.random.default_rng(1)
    network = QueueingNetwork(
        1, FLEET_SLOTS, publish_s=1e-4, collect_s=1e-4, slot_s=1.0, broker_s=1e-5, window=UNLIMITED
    )
    arrivals_s = np.cumsum(rng.exponential(network.slot_s / (0.8 * FLEET_SLOTS), MANY))
    relative = rng.exponential(1.0, MANY)
    found = turns({"simulation": stopwatch(lambda: latencies_s(network, arrivals_s, relative))}, rounds)
    took_s = estimate([*found["simulation"].values()])
    assert took_s is not None, "no rounds"
    return Row(
        f"simulation of a fleet of {FLEET_SLOTS:,} slots, {MANY:,} tasks under arrivals",
        "five seconds",
        shown(took_s.point),
        "5 s",
        took_s,
        "s for a simulated run",
        Goal("at most", 5),
    )


def clone_row(clone: Path) -> Row:
    """Clone the last commit and return the row of `make run` there.

    Raises:
        RuntimeError: it failed; the message ends with its output.
    """
    # The clone's make must not get the flags of this one.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    kept.pop("VIRTUAL_ENV", None)
    subprocess.run(
        ["git", "clone", "--quiet", str(REPOSITORY), str(clone)],  # noqa: S607 - git is where the user has it
        check=True,
        timeout=60,
    )
    started = time.perf_counter()
    ran = subprocess.run(
        ["make", "run"],  # noqa: S607 - and so is make
        check=False,
        cwd=clone,
        env=kept,
        capture_output=True,
        timeout=CLONE_S,
    )
    elapsed = time.perf_counter() - started
    if ran.returncode:
        raise RuntimeError(f"make run ended with {ran.returncode}: ...{ran.stderr.decode()[-2000:]}")
    reports = list(clone.glob("results/*.html"))
    assert len(reports) == 1, f"{len(reports)} reports in the clone's results/"
    return Row(
        "`make run` in a fresh clone, warm package cache",
        "100 seconds",
        shown(elapsed),
        "100 s",
        Estimate(elapsed),
        "s to the report, once",
        Goal("at most", 100),
    )


def main() -> int:
    """Print the rows; return 1 if a goal was missed."""
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="breakeven-clone-") as folder:
        clone, scaled = Path(folder) / "breakeven", Path(folder) / "scale"
        progress("make run in a fresh clone")
        rows = [clone_row(clone)]
        progress("scale")
        command = [str(Path(sys.executable).with_name("orchestrator")), *SCALE, "--output", str(scaled)]
        subprocess.run(command, check=True, capture_output=True, timeout=CLONE_S)
        results = {"a `run`": clone / "results", "a `scale`": scaled}
        progress("report and --help")
        files = {name: next(path.glob("*.json")) for name, path in results.items()}
        rows += start_rows(files, rounds_of(options))
    progress("a simulated fleet")
    rows.append(simulation_row(rounds_of(options)))
    progress("a large batch and a small one")
    rows += batch_rows(QUICK_MANY if options.quick else MANY)
    return finish(rows, options, __file__)


if __name__ == "__main__":
    sys.exit(main())
