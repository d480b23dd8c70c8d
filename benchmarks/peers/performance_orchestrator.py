"""What does the orchestrator cost for many tasks, to start, and from a clone to a report?

    python benchmarks/peers/performance_orchestrator.py [--quick] [--update-docs]

- 100,000 empty tasks (with --quick 10,000) against 1,000, by Celery on two embedded slots, with every outcome
checked. Time   per task in chunks of four, five rounds. Memory in chunks of one, once: the peak resident set
during a batch, without   making the tasks. - `orchestrator --help` against an interpreter that imports typer:
21 rounds. - `make run` in a fresh clone of the last commit, once: virtual environment, installation from pip's
cache, comparison,   report.

Takes five minutes, with --quick two, most of it for `make run`.
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


def help_row(rounds: int) -> Row:
    """Return the row of `orchestrator --help` against an interpreter that imports typer."""
    scripts = Path(sys.executable).parent
    sides = {
        "help": process(str(scripts / "orchestrator"), "--help"),
        "typer": process(sys.executable, "-c", "import typer"),
    }
    found: Mapping[str, Mapping[int, float]] = turns(sides, rounds)
    return Row(
        "`orchestrator --help`",
        '`python -c "import typer"`',
        shown(typical(found["help"])),
        shown(typical(found["typer"])),
        versus(found["help"], found["typer"]),
        "of the time",
        Goal("at most", 1.5),
    )


def clone_row() -> Row:
    """Return the row of `make run` in a fresh clone.

    Raises:
        RuntimeError: it failed; the message ends with its output.
    """
    # The clone's make must not get the flags of this one.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    kept.pop("VIRTUAL_ENV", None)
    with tempfile.TemporaryDirectory(prefix="breakeven-clone-") as folder:
        clone = Path(folder) / "breakeven"
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
        "two minutes",
        shown(elapsed),
        "120 s",
        Estimate(elapsed),
        "s to the report, once",
        Goal("at most", 120),
    )


def main() -> int:
    """Print the rows; return 1 if a goal was missed."""
    options = parser(__doc__).parse_args()
    progress("orchestrator --help")
    rows = [help_row(rounds_of(options))]
    progress("a large batch and a small one")
    rows += batch_rows(QUICK_MANY if options.quick else MANY)
    progress("make run in a fresh clone")
    rows.append(clone_row())
    return finish(rows, options, __file__)


if __name__ == "__main__":
    sys.exit(main())
