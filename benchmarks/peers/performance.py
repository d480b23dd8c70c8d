"""Run the scripts below one after the other and write docs/measurements/performance.md.

    make bench                                          # installs the peers, then runs this
    python benchmarks/peers/performance.py [--quick]    # --quick writes nothing and proves nothing
    python benchmarks/peers/performance.py --only NAME  # runs this script, and takes the other figures as they were

A script that fails does not stop the others; its row says so, and the exit code is 1. A goal that is missed is
a finding, not a failure. Takes about eighteen minutes on two cores, with --quick eight.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.measurement.machine import environment
from orchestrator.model.environment import Environment

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import MEASUREMENTS, ROOT, command, replace_figures
from benchmarks.shared.rows import Row, progress, read, table

DOCUMENT = MEASUREMENTS / "performance.md"
KEPT = ROOT / "build" / "performance"  # the last figures of each script; those of --quick apart

PEERS = ("opencv-python-headless", "simplejpeg", "dramatiq", "rq", "huey", "taskiq", "taskiq-redis")


@dataclass(frozen=True)
class Script:
    """A script, and how many seconds it may take."""

    name: str
    limit_s: float = 600

    @property
    def path(self) -> Path:
        """Return its file."""
        return next(ROOT.glob(f"benchmarks/*/{self.name}.py"))


SCRIPTS = (
    Script("performance_kernels"),
    Script("performance_celery"),
    Script("performance_payloads"),
    Script("performance_orchestrator", limit_s=1200),
    Script("harness", limit_s=2400),
)
ENGINES = Script("engines")


def place(script: Script, quick: bool) -> Path:
    """Return the file with the last figures of a script."""
    return (KEPT / "quick" if quick else KEPT) / script.name


def run(script: Script, quick: bool) -> str | None:
    """Run one script, whose output goes to the terminal; return why it failed, or `None`."""
    kept = place(script, quick)
    kept.unlink(missing_ok=True)
    argv = [sys.executable, str(script.path), "--rows", str(kept)]
    started = time.monotonic()
    try:
        code = subprocess.run([*argv, "--quick"] if quick else argv, timeout=script.limit_s).returncode
    except subprocess.TimeoutExpired:
        return f"it took longer than {script.limit_s:.0f} s"
    progress(f"{script.name}: {time.monotonic() - started:.0f} s")
    return None if kept.exists() else f"it ended with code {code}"


def rows_of(script: Script, quick: bool, only: str | None) -> list[Row]:
    """Return the rows of a script, or one row that says why there are none."""
    error = run(script, quick) if only in (None, script.name) else None
    if error is None:
        return read(place(script, quick))
    return [Row(script.name, "", error=error, command=command(str(script.path)))]


def headline(rows: Sequence[Row]) -> str:
    """Return the goal that is missed most, or is nearest to being missed."""
    goals = [row for row in rows if row.goal is not None and row.ratio is not None]
    failed = (
        f" {sum(bool(row.error) for row in rows)} scripts failed." if any(row.error for row in rows) else ""
    )
    if not goals:
        return f"No goal was measured.{failed}"
    met = sum(row.missed_by <= 1 for row in goals)
    worst = max(goals, key=lambda row: row.missed_by)
    assert worst.ratio is not None
    assert worst.goal is not None
    says = "Missed most" if worst.missed_by > 1 else "Nearest to its goal"
    return (
        f"{met} of {len(goals)} goals are met.{failed} {says}: {worst.what}, against {worst.against}: "
        f"{worst.ratio.point:.3g} {worst.unit}, where {worst.goal.word} {worst.goal.figure:g} is the goal."
    )


def machine(found: Environment) -> str:
    """Return where, when and with which packages it was measured."""
    packages = {**found.packages, **{name: importlib.metadata.version(name) for name in PEERS}}
    versions = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {found.cpu.model}, {found.cpu.usable:g} of {found.cpu.logical} "
        f"processors, {found.memory_bytes / 2**30:.0f} GiB of memory, {found.platform}, Python {found.python}; "
        f"{versions}."
    )


def main() -> int:
    """Run everything and write the page; return 1 if a script failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, and the page is left as it is")
    names = [script.name for script in (*SCRIPTS, ENGINES)]
    parser.add_argument(
        "--only", choices=names, help="run this alone, and take the others' figures as they were"
    )
    chosen = parser.parse_args()
    quick, only = bool(chosen.quick), chosen.only
    missing = [each.name for each in (*SCRIPTS, ENGINES) if not place(each, quick).exists()]
    if only is not None and set(missing) - {only}:
        parser.error(f"{', '.join(missing)}: not measured here yet; run once without --only")
    place(ENGINES, quick).parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    rows = [row for script in SCRIPTS for row in rows_of(script, quick, only)]
    error = run(ENGINES, quick) if only in (None, ENGINES.name) else None
    engines = f"**Not measured**: {error}." if error else place(ENGINES, quick).read_text("utf-8").strip()
    rows.sort(key=lambda row: (not row.error, -row.missed_by))
    text = "\n".join([headline(rows), "", machine(environment()), "", *table(rows)])
    print(f"\n{text}\n\n{engines}")
    if not quick:
        replace_figures(DOCUMENT, "performance", text)
        replace_figures(DOCUMENT, ENGINES.name, engines)
    progress(f"all: {time.monotonic() - began:.0f} s")
    return int(bool(error) or any(row.error for row in rows))


if __name__ == "__main__":
    sys.exit(main())
