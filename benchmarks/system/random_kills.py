"""Does a run end in time, at whatever moment its broker is killed?

    python benchmarks/system/random_kills.py [--quick] [--update-docs] [--times N] [--seed S]

Each run has a broker and workers of its own. The broker is killed at a random moment: while workers start, in the
warm-up, or within a round. Goals: every run ends with 3 within the deadline of docs/reference/reliability.md,
names the broker that ended, and has saved what it had measured. A hundred runs take about 15 minutes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

TIMES, QUICK_TIMES = 100, 3
DEADLINE_S = 15.0  # as docs/reference/reliability.md has it
MOMENTS_S = 8.0  # seconds after the start of the broker within which it is killed: start-up takes about half
RUN = (
    *("run", "--images", "8", "--size", "64x64", "--latency-ms", "0", "--slots", "2", "--stage", "decode"),
    *("--rounds", "2000", "--warmup", "1", "--strategy", "celery"),
)


@contextmanager
def started(folder: Path) -> Iterator[psutil.Popen]:
    """A run in `folder`, with its standard error in a file there; killed if it is still there in the end."""
    with (folder / "errors").open("wb") as errors:
        run = psutil.Popen(
            [sys.executable, "-m", "orchestrator", *RUN],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "TMPDIR": str(folder)},
        )
    try:
        yield run
    finally:
        if run.is_running():
            run.kill()
        run.wait()


def broker_of(run: psutil.Popen) -> psutil.Process:
    """Return the broker of a run as soon as it has one."""
    while True:
        for process in run.children(recursive=True):
            try:
                if "broker.sock" in " ".join(process.cmdline()):
                    return process
            except psutil.Error:
                continue
        if run.poll() is not None:
            raise SystemExit(f"the run ended with {run.returncode} before its broker was there")
        time.sleep(0.02)


def fault_of(folder: Path, code: int | None) -> str | None:
    """Return what is wrong with how a run ended; `None` for nothing."""
    errors = (folder / "errors").read_text("utf-8")
    if code is None:
        return f"it did not end: {errors[-500:]}"
    if code != 3 or "the embedded broker ended with code -9" not in errors or "Traceback" in errors:
        return f"it ended with {code}: {errors[-500:]}"
    results = [json.loads(path.read_text("utf-8")) for path in (folder / "results").glob("2*.json")]
    if any(result["complete"] for result in results):
        return "its result says that it is complete"
    return None


def kill_at(moment_s: float) -> tuple[float, str | None]:
    """Kill a broker this long after its start; return how long its run went on, and what was wrong with its end."""
    with tempfile.TemporaryDirectory(prefix="kills-") as name, started(Path(name)) as run:
        broker = broker_of(run)
        time.sleep(moment_s)
        broker.kill()
        killed_at, code = time.monotonic(), None
        with suppress(psutil.TimeoutExpired):
            code = run.wait(4 * DEADLINE_S)
        return time.monotonic() - killed_at, fault_of(Path(name), code)


def main() -> int:
    """Print how long the runs went on; return 1 if one went on for too long, or ended in another way."""
    options = parser(__doc__)
    options.add_argument("--times", type=int, default=TIMES, help="how many brokers are killed")
    options.add_argument("--seed", type=int, default=1, help="of the moments")
    chosen = options.parse_args()
    times = QUICK_TIMES if chosen.quick else chosen.times
    page = Page(__file__, chosen)
    moments = random.Random(chosen.seed)  # noqa: S311 - reproducible moments, not a secret
    took: list[float] = []
    faults: list[str] = []
    for number in range(times):
        moment_s = moments.uniform(0.0, MOMENTS_S)
        took_s, fault = kill_at(moment_s)
        took.append(took_s)
        if fault is None and took_s > DEADLINE_S:
            fault = f"it went on for {took_s:.1f} s"
        if fault is not None:
            faults.append(f"killed after {moment_s:.2f} s: {fault}")
        print(f"{number + 1} of {times}: {moment_s:.2f} s, {took_s:.2f} s {fault or ''}", file=sys.stderr)
    took.sort()
    page.head("brokers killed", "median time to the end of the run", "slowest", "deadline")
    page.row(str(times), f"{took[times // 2]:.1f} s", f"{took[-1]:.1f} s", f"{DEADLINE_S:.0f} s")
    for fault in faults:
        page.say(f"\n{fault}")
    if faults:
        return page.verdict(False, f"{len(faults)} of {times} runs did not end as they should.")
    return page.verdict(
        True, "every run ended with 3 in time, named the broker, and kept what it had measured."
    )


if __name__ == "__main__":
    sys.exit(main())
