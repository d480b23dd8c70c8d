"""Run every script behind docs/measurements, and write their tables and docs/measurements/README.md.

    make figures                       # speed and answers, two and a half hours on two cores
    make figures-runs                  # whole runs, ten times over, and fleets in containers: 40 minutes
    make figures-robustness            # faults, fuzz, kills, a long batch, half an hour of rounds: an hour and a half
    make figures-gates                 # a hundred real gates: three and a half hours
    python benchmarks/figures.py --only ledger omission    # these again

A script that ended is not run again while `worker`, `orchestrator` and `benchmarks` are those of the same commit. One
that fails or takes too long does not stop the others and makes the exit code 1; a goal that is missed does not.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.shared.claims import verdict_line, write_index
from benchmarks.shared.page import ROOT, TREES, changed, trees

Group = Literal["figures", "runs", "robustness", "gates"]
GROUPS: Final[tuple[Group, ...]] = ("figures", "runs", "robustness", "gates")
QUICK_DEADLINE_S: Final = 300.0
END_S: Final = 60.0  # seconds that an interrupted script may take to stop what it started


@dataclass(frozen=True)
class Script:
    """A script, the seconds that it may take, the options with which it is run, and what must be so meanwhile.

    `alone` scripts run one at a time, on an otherwise quiet machine. Simulations do not care: two run at a time. In
    `--quick`, whose times prove nothing, everything does, except what shares a Compose project.
    """

    name: str
    deadline_s: float
    options: tuple[str, ...] = ()
    group: Group = "figures"
    needs: Literal["alone", "containers", "nothing"] = "alone"


# Sizes are cut so that `figures` takes no longer than two and a half hours. Less than its issue asks for is done by:
# held_out_load: 1,000 tasks a case, the least with a p99, in place of 5,000 (the intervals allow for it);
# known_functions: 20 s a function in place of a minute; break_even_agrees: 7 rounds a sweep in place of five minutes;
# same_code and gate: 3,000 simulated pairs a figure in place of 10,000; pairs_alike: 25 rounds a run in place of 49.
SCRIPTS: Final = (
    Script("performance_kernels", 300),
    Script("performance_celery", 600),
    Script("performance_payloads", 600),
    Script("performance_orchestrator", 1200),
    Script("engines", 1200),
    Script("harness", 1200),
    Script("generator", 180),
    Script("omission", 240),
    Script("role_table", 120),
    Script("ledger", 600),
    Script("known_truth", 600),
    Script("held_out", 600),
    Script("held_out_load", 1200, ("--tasks", "1000")),
    Script("unequal_tasks", 600),
    Script("open_loop_theory", 900, ("--duration", "5")),
    Script("ceilings", 1800),
    Script("known_crossing", 900),
    Script("break_even_confirmed", 600),
    Script("task_length", 1500, ("--rounds", "7")),
    Script("known_functions", 1200, ("--budget", "20")),
    Script("pairs_alike", 1200, ("--rounds", "25")),
    Script("power", 900),
    Script("disturbance", 600, ("--rounds", "80")),
    Script("coverage", 1800, ("--cases", "4000"), needs="nothing"),
    Script("same_code", 1800, ("--pairs", "3000"), needs="nothing"),
    Script("gate", 1800, ("--gates", "3000"), needs="nothing"),
    Script("crossover", 1800, ("--cases", "500"), needs="nothing"),
    Script("rounds_asked", 1200, ("--cases", "500"), needs="nothing"),
    Script("latency_intervals", 1200, ("--runs", "150"), needs="nothing"),
    Script("granularity", 1200, needs="nothing"),
    Script("clearance", 600, ("--cases", "4000"), needs="nothing"),
    Script("stations", 600, needs="nothing"),
    Script("queueing_theory", 300, needs="nothing"),
    Script("runs_alike", 1500, group="runs"),
    Script("break_even_agrees", 1800, ("--rounds", "7"), "runs"),
    Script("notebook", 1200, group="runs"),
    Script("emulated_hosts", 900, ("--rounds", "6"), "runs", "containers"),
    Script("task_map", 900, ("--rounds", "6"), "runs", "containers"),
    Script("long_batch", 900, group="robustness"),
    Script("soak", 2700, group="robustness"),
    Script("faults", 5400, ("--times", "5"), group="robustness"),
    Script("random_kills", 2700, group="robustness"),
    Script("fuzz", 2700, group="robustness"),
    Script("gates_alike", 18_000, group="gates"),
)


@dataclass(frozen=True)
class Ended:
    """What became of a script; `text` is its own last word on its goal, or why it failed."""

    name: str
    seconds: float
    verdict: Literal["met", "missed", "no goal", "failed"]
    text: str


class Runner:
    """Runs scripts and remembers in a folder which have ended.

    Args:
        root: of the repository.
        folder: what ended stands in `NAME.json`, and what it printed in `NAME.log`.
        quick: run with `--quick`, and update no docs.
    """

    def __init__(self, root: Path, folder: Path, quick: bool) -> None:
        self._root = root
        self._folder = folder
        self._quick = quick
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def ended(self, script: Script) -> Ended | None:
        """Return what became of a script, if it has ended."""
        kept = self._state(script)
        return Ended(**json.loads(kept.read_text("utf-8"))) if kept.exists() else None

    def run(self, scripts: Sequence[Script], again: bool) -> list[Ended]:
        """Run those that have not ended, or all of them again, and return what became of each."""
        found = {each: None if again else self.ended(each) for each in scripts}
        left = [each for each, ended in found.items() if ended is None]
        done = len(scripts) - len(left)
        if done:
            say(f"{done} of {len(scripts)} have ended before, for the same trees")
        numbers = iter(range(done + 1, len(scripts) + 1))

        def one(script: Script) -> None:
            ended = self._run(script)
            if ended is not None:
                found[script] = ended
                why = f": {ended.text}" if ended.verdict == "failed" else ""
                say(
                    f"{next(numbers)} of {len(scripts)} {script.name}: {ended.seconds:.0f} s, {ended.verdict}{why}"
                )

        self._beside(one, [each for each in left if self._is_alone(each)], 1)
        self._beside(one, [each for each in left if not self._is_alone(each)], 2)
        return [ended for ended in found.values() if ended is not None]

    def _is_alone(self, script: Script) -> bool:
        return script.needs == "containers" or (script.needs == "alone" and not self._quick)

    def _beside(self, one: Callable[[Script], None], scripts: Sequence[Script], at_once: int) -> None:
        with ThreadPoolExecutor(at_once) as pool:
            try:
                list(pool.map(one, scripts))
            except KeyboardInterrupt:
                self._stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                for process in tuple(self._running):
                    end(process)
                raise

    def _run(self, script: Script) -> Ended | None:
        """Run one script; return `None` if everything was interrupted meanwhile."""
        if self._stopped:
            return None
        self._state(script).unlink(missing_ok=True)
        path = next(self._root.glob(f"benchmarks/*/{script.name}.py"))
        options = ("--quick",) if self._quick else (*script.options, "--update-docs")
        deadline_s = QUICK_DEADLINE_S if self._quick else script.deadline_s
        log = self._folder / f"{script.name}.log"
        started = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(path.relative_to(self._root)), *options],
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches it through `end`
            )
            self._running.add(process)
            try:
                late = not waited(process, deadline_s)
            finally:
                self._running.discard(process)
        if self._stopped:
            return None
        seconds = time.monotonic() - started
        if late:
            return Ended(script.name, seconds, "failed", f"took longer than {deadline_s:g} s")
        ended = judged(script.name, seconds, process.returncode, log.read_text("utf-8", "replace"))
        if ended.verdict != "failed":
            self._state(script).write_text(json.dumps(asdict(ended)), "utf-8")
        return ended

    def _state(self, script: Script) -> Path:
        return self._folder / f"{script.name}.json"


def waited(process: subprocess.Popen[bytes], deadline_s: float) -> bool:
    """Wait until a process ends; end it at the deadline, and return whether it was in time."""
    try:
        process.wait(deadline_s)
    except subprocess.TimeoutExpired:
        end(process)
        return False
    return True


def end(process: subprocess.Popen[bytes]) -> None:
    """End a script and its children as Ctrl-C would, so that it removes what it started; then by force."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def judged(name: str, seconds: float, code: int, printed: str) -> Ended:
    """Return what became of a script that ended; an error exits with 1, as a missed goal does, but names no goal."""
    met, text = verdict_line(printed.splitlines())
    if code == 0:
        return Ended(name, seconds, "no goal" if met is None else "met", text)
    if code == 1 and met is False:
        return Ended(name, seconds, "missed", text)
    last = next(
        (line.strip() for line in reversed(printed.splitlines()) if line.strip()), "it printed nothing"
    )
    return Ended(name, seconds, "failed", f"ended with {code}: {last}")


def say(text: str) -> None:
    """Print progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def summary(found: Iterable[Ended], folder: Path) -> list[str]:
    """Return how many met their goals, and which did not."""
    by_verdict: dict[str, list[Ended]] = {"met": [], "missed": [], "no goal": [], "failed": []}
    for each in found:
        by_verdict[each.verdict].append(each)
    lines = [", ".join(f"{len(some)} {verdict}" for verdict, some in by_verdict.items())]
    for each in by_verdict["missed"]:
        lines.append(f"missed: {each.name}: {each.text}")
    for each in by_verdict["failed"]:
        lines.append(f"failed: {each.name}: {each.text} ({folder / each.name}.log)")
    return lines


def main(
    arguments: Sequence[str] | None = None, root: Path = ROOT, scripts: Sequence[Script] = SCRIPTS
) -> int:
    """Run the scripts of a group; return 1 if one failed, 2 if they cannot be run, 130 if interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", choices=GROUPS, default="figures")
    parser.add_argument(
        "--quick", action="store_true", help="show that each works, in ten minutes; write nothing"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        choices=[each.name for each in scripts],
        help="run these scripts of any group, also if they have ended",
    )
    chosen = parser.parse_args(arguments)
    try:
        key, dirty = "-".join(trees(root).values()), changed(root)
    except (OSError, subprocess.CalledProcessError):
        say("Figures are kept by commit: run this in a Git clone that has at least one")
        return 2
    if dirty:
        say(
            f"{', '.join(TREES)} have uncommitted changes ({dirty[0].split()[-1]}): commit or stash them first"
        )
        return 2
    folder = root / "build" / "figures" / key / ("quick" if chosen.quick else "")
    folder.mkdir(parents=True, exist_ok=True)
    asked = [
        each for each in scripts if (each.name in chosen.only if chosen.only else each.group == chosen.group)
    ]
    runner = Runner(root, folder, chosen.quick)
    say(f"{len(asked)} scripts; what they print is in {folder.relative_to(root)}")
    try:
        found = runner.run(asked, again=bool(chosen.only))
    except KeyboardInterrupt:
        ended = sum(runner.ended(each) is not None for each in asked)
        say(f"Interrupted: {ended} of {len(asked)} have ended; the same command goes on from here")
        return 130
    if not chosen.quick:
        write_index(root)
    print("\n".join(summary(found, folder.relative_to(root))))
    return int(any(each.verdict == "failed" for each in found))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the running script ends, too
    sys.exit(main())
