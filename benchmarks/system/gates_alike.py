"""How often does `gate` alarm for real where base and head are the same, beside a process that works in bursts?

    python benchmarks/system/gates_alike.py [--quick] [--gates 100] [--slower 10] [--update-docs]

Each gate measures `count_primes` of examples/jobs.py in two copies, for a minute and a half. Then as many gates as
--slower says have a head that takes 10 % longer, with five minutes each. Exits with 1 if more than 3 of 100 gates of
the same code alarm, or fewer than 9 of 10 slower heads are found. Takes three and a half hours, with --quick two
minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.neighbour import neighbour
from benchmarks.shared.page import ROOT, Page, parser

ALARMS, FOUND = 0.03, 0.9
BUDGET_S, SLOWER_BUDGET_S = 90, 300
SLOWER = """

_plain = count_primes


def count_primes(below):
    import time
    began = time.perf_counter()
    found = _plain(below)
    until = time.perf_counter() + 0.1 * (time.perf_counter() - began)
    while time.perf_counter() < until:
        pass
    return found
"""


def gate(folder: Path, head: str, budget_s: float) -> dict[str, Any]:
    """Run a gate of two copies and return its JSON document."""
    jobs = (ROOT / "examples" / "jobs.py").read_text()
    for side, text in (("base", jobs), ("head", jobs + head)):
        (folder / side).mkdir(exist_ok=True)
        (folder / side / "jobs.py").write_text(text)
    command = [sys.executable, "-m", "orchestrator", "gate", "--base", "base", "--head", "head"]
    command += ["--function", "jobs:count_primes", "--inputs", "numbers.jsonl", "--budget", f"{budget_s:g}"]
    (folder / "numbers.jsonl").write_text("\n".join(str(20_000 + 100 * number) for number in range(100)))
    done = subprocess.run(
        [*command, "--format", "json"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=20 * budget_s,
        check=False,
    )
    if done.returncode not in (0, 1):
        sys.exit(f"gate exited with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print the table; return 1 if gates of one code alarm too often, or slower heads are missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--gates", type=int, default=100)
    arguments.add_argument("--slower", type=int, default=10)
    options = arguments.parse_args()
    gates, slower = (1, 1) if options.quick else (options.gates, options.slower)
    budgets = (20, 20) if options.quick else (BUDGET_S, SLOWER_BUDGET_S)
    page = Page(__file__, options)
    page.head("head", "gates", "alarms", "median of the smallest change that would be found")
    with tempfile.TemporaryDirectory() as folder, neighbour(busy=True):
        same = [gate(Path(folder), "", budgets[0]) for _ in range(gates)]
        worse = [gate(Path(folder), SLOWER, budgets[1]) for _ in range(slower)]
    alarms, found = (sum(each["regression"] for each in some) for some in (same, worse))
    for name, some, count in (("the same", same, alarms), ("10 % slower", worse, found)):
        smallest = median(each["smallest"] or float("inf") for each in some)
        page.row(name, str(len(some)), str(count), f"{100 * smallest:.0f} %")
    met = alarms <= ALARMS * gates and found >= FOUND * slower
    return page.verdict(
        met, "at most 3 of 100 gates of the same code alarm, and 9 of 10 slower heads are found."
    )


if __name__ == "__main__":
    sys.exit(main())
