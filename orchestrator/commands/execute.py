"""What the measuring commands share: progress on stderr, the result file as it grows, the report, the exit code."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator import results, signals
from orchestrator.analysis.analyse import analyse
from orchestrator.commands.progress import progress
from orchestrator.errors import BreakevenError, NothingMeasuredError, UsageError
from orchestrator.fleet.flower import Access
from orchestrator.inputs import source
from orchestrator.measurement import session
from orchestrator.measurement.session import Job
from orchestrator.model.runs import Plan, Run
from orchestrator.planning.oversubscription import oversubscription
from orchestrator.reports import html, terminal
from orchestrator.reports.console import screen
from worker.redaction import escape_control
from worker.remote_control import usable_cpus

STDOUT = "-"

AGAIN_S = 1.0
"""After this long a result that could not be written is tried again."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a result goes: a folder, and a second file (or standard output) if it was asked for."""

    folder: str
    json: str | None

    def path(self, run: Run) -> Path:
        """The result file of a run."""
        return Path(self.folder) / results.file_name(run)

    def check(self) -> None:
        """Raise `UsageError` now, rather than after the measuring, if one of them cannot be written to."""
        _check_writable("--output", self.folder, Path(self.folder))
        if self.json is not None and self.json != STDOUT:
            _check_writable("--json", self.json, Path(self.json).parent)


def _check_writable(option: str, given: str, folder: Path) -> None:
    probe = folder / f".breakeven-probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"{option} {given} cannot be written to: {error.strerror}; name another") from None


class Saver:
    """Writes the result as it grows, with no more than a fiftieth of the time spent on writing."""

    def __init__(self, destination: Destination) -> None:
        """Nothing is written before there is a run."""
        self._destination = destination
        self._written: Run | None = None
        self._due_at = 0.0
        self._warned = False
        self.last: Run | None = None
        """What was measured so far."""

    def __call__(self, run: Run) -> None:
        """Take what was measured so far, if anything was, and write it if it is time.

        A disk that is full now need not be so in the end: it is said once, and the measuring goes on.
        """
        if not run.begun:
            return
        self.last = run
        if time.monotonic() < self._due_at:
            return
        try:
            self.flush()
        except BreakevenError as error:
            if not self._warned:
                sys.stderr.write(f"orchestrator: {error}; measuring goes on\n")
            self._warned = True
            self._due_at = time.monotonic() + AGAIN_S

    def flush(self) -> None:
        """Write what is not written yet."""
        if self.last is None or self.last is self._written:
            return
        started = time.monotonic()
        results.write(self.last, self._destination.path(self.last))
        self._written = self.last
        self._due_at = time.monotonic() + 49 * (time.monotonic() - started)


def run_and_report(job: Job, destination: Destination) -> int:
    """Measure, save as it goes, report, and give the exit code: 1 if anything in it is not sound."""
    destination.check()
    plan = job.plan(None)
    _say_how_the_source_differs(plan)
    _say_what_crowds(plan, job)
    saver = Saver(destination)
    with ExitStack() as stack:
        try:
            with progress() as watcher:
                run = stack.enter_context(session.measured(job, watcher, saver))
        except KeyboardInterrupt:
            if saver.last is None:
                raise NothingMeasuredError(
                    "interrupted before anything was measured; nothing was saved"
                ) from None
            _leave_incomplete(saver.last, saver, destination)
            raise
        except BreakevenError:
            if saver.last is not None:
                _leave_incomplete(saver.last, saver, destination)
            raise
        try:
            saver.flush()
        except BreakevenError:
            show(run)  # what was measured is not lost, though no file takes it
            raise
        _show(run, destination)
        if job.flower is not None:
            _let_the_user_look()
    return exit_code(run)


def _say_how_the_source_differs(plan: Plan) -> None:
    """Of a folder: which files are not used, lest they be thought to be, or that there are too few."""
    chosen = source.parse(plan.source)
    for said in (chosen.left_out(plan.images), chosen.lacking(plan.images)):
        if said is not None:
            sys.stderr.write(f"orchestrator: {escape_control(said)}\n")


def _say_what_crowds(plan: Plan, job: Job) -> None:
    """Of far more slots than this machine can serve: what they take, before they are started."""
    crowded = oversubscription(plan, job.broker is None, usable_cpus(), psutil.virtual_memory().available)
    if crowded is not None:
        sys.stderr.write(f"orchestrator: {crowded}\n")


def _leave_incomplete(run: Run, saver: Saver, destination: Destination) -> None:
    """Of a run that ended early: how far it came, and its result and its report, like a whole run's."""
    try:
        with signals.ignored():
            saver.flush()
    except BreakevenError as error:
        sys.stderr.write(f"\norchestrator: {error}\n")  # beside, and not instead of, what ended the run
        return
    whole = f"{len(run.loads)} of {run.plan.rounds}"
    sys.stderr.write(
        f"\n{whole if run.loads else f'a part of the first of {run.plan.rounds}'} rounds saved\n"
    )
    with suppress(KeyboardInterrupt):  # one more changes nothing: what ended the run is on its way
        try:
            _show(run, destination)
        except BreakevenError as error:
            sys.stderr.write(f"orchestrator: {error}\n")


def announce(access: Access) -> None:
    """Tell the user where Flower is, and how to get in."""
    sys.stderr.write(f"Flower: {access.url} (user {access.user}, password {access.password})\n")


def _let_the_user_look() -> None:
    """On a terminal, keep Flower and its workers until the user has seen enough; elsewhere they end at once."""
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    with suppress(KeyboardInterrupt):  # from the word on, lest a prompt answer be taken for an end of the run
        sys.stderr.write("Flower stays until you press Enter\n")
        sys.stdin.readline()


def exit_code(run: Run) -> int:
    """0 if every task of every cell ended well and as it should, else 1."""
    sound = all(result.sound and not result.failures for result in run.cells)
    kept = [sample for result in run.cells for sample in result.disturbed]
    return 0 if sound and not any(sample.lost or sample.wrong for sample in kept) else 1


def show(run: Run) -> None:
    """The report on standard output: in colour and as wide as a terminal is, plain and 80 columns elsewhere."""
    findings = analyse(run)
    console = screen()
    if console.is_terminal:
        console.print(terminal.report(run, findings, console.width))
    else:
        sys.stdout.write(terminal.render(run, findings))


def _show(run: Run, destination: Destination) -> None:
    """The report, where the result is, and the page beside it."""
    path, incomplete = destination.path(run), "" if run.complete else "incomplete "
    page = path.with_suffix(".html")
    try:
        if destination.json == STDOUT:
            sys.stdout.write(results.dumps(run))
        else:
            if destination.json is not None:
                results.write(run, Path(destination.json))
            show(run)
        sys.stderr.write(f"{incomplete}result: {_shown(path)}\n")
        _write_page(run, page)
    except KeyboardInterrupt:
        remedy = f"orchestrator report {_shown(path)} --format html --output {_shown(page)}"
        sys.stderr.write(f"\nreport not written; '{remedy}' makes it\n")
        raise
    sys.stderr.write(f"{incomplete}report: {_shown(page)}\n")


def _shown(path: Path) -> str:
    """A path for a terminal, which obeys what is in its name."""
    return escape_control(str(path))


def _write_page(run: Run, path: Path) -> None:
    """The HTML report beside the result, renamed into place as that is."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(html.render(run, analyse(run)), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
