"""What the measuring commands share: run, save as it goes, report, and return the exit code."""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from orchestrator import results, signals
from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.load import promise_missed
from orchestrator.commands.progress import progress
from orchestrator.errors import BreakevenError, NothingMeasuredError, UsageError, flush_output
from orchestrator.fleet.flower import USER
from orchestrator.measurement import session
from orchestrator.model.runs import Run
from orchestrator.phrases.numbers import count
from orchestrator.planning.option_checks import check, of_function
from orchestrator.planning.options import STDOUT, Options
from orchestrator.reports import html, terminal
from worker.redaction import escape_control

RETRY_S: Final = 1.0  # seconds until a result that could not be written is tried again
WRITING_SHARE: Final = 0.02  # of the time, at most, that is spent on writing the result


def run_and_report(options: Options) -> int:
    """Measure, save as it goes, report, and return the exit code."""
    if options.dry_run:
        return _say_what_would_run(options)
    check_writable("--output", options.output, Path(options.output))
    if options.json is not None and options.json != STDOUT:
        _check_json(options.json)
    source = check(options)
    options = of_function(options)
    saver = Saver(Path(options.output))
    with ExitStack() as stack:
        try:
            with progress() as watcher:
                run = stack.enter_context(session.measured(options, source, watcher, saver))
        except (KeyboardInterrupt, BreakevenError) as ended:
            if saver.last is not None:
                _report_incomplete(saver.last, saver, options)
            elif isinstance(ended, KeyboardInterrupt):
                raise NothingMeasuredError(
                    "interrupted before anything was measured; nothing was saved"
                ) from None
            raise
        try:
            saver.flush()
        except BreakevenError:
            show(run, table=True)  # the user sees the figures although no file has them
            raise
        except KeyboardInterrupt:
            _report_incomplete(run, saver, options)
            raise
        _report(run, options)
        if options.flower:
            _wait_for_enter()
    return exit_code(run)


def _say_what_would_run(options: Options) -> int:
    check(options)
    with progress() as watcher, session.tried(of_function(options), watcher) as introduction:
        sys.stdout.write(f"{introduction}\n")
    return 0


def exit_code(run: Run) -> int:
    """Return 0 if every cell has a figure, every task ended well and rightly, and a promise is kept; else 1."""
    sound = all(result.correct and not result.failures for result in run.cells)
    sound = sound and all(result.counted or not result.disturbed for result in run.cells)
    sound = sound and not promise_missed(run, analyse(run).load)
    disturbed = [sample for result in run.cells for sample in (*result.disturbed, *result.open_loops)]
    return 0 if sound and not any(sample.lost or sample.wrong for sample in disturbed) else 1


def show(run: Run, table: bool) -> None:
    """Print the answer, with `table` after every row.

    In colour and as wide as a terminal; plain and 80 columns wide elsewhere.
    """
    findings = analyse(run)
    console = terminal.screen()
    if console.is_terminal:
        console.print(terminal.report(run, findings, console.width, table))
    else:
        sys.stdout.write(terminal.render(run, findings, table))


class Saver:
    """Writes the result file as the run grows; `last` is what was measured so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: Run | None = None
        self._due_at = 0.0
        self._warned = False
        self.last: Run | None = None

    def __call__(self, run: Run) -> None:
        """Keep a run that has samples, and write it if a write is due.

        A disk that is full now may have room later: the first failure is reported, and measuring goes on.
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
            self._due_at = time.monotonic() + RETRY_S

    def flush(self) -> None:
        """Write the last run unless it is written already."""
        if self.last is None or self.last is self._written:
            return
        started = time.monotonic()
        results.write(self.last, self.path(self.last))
        self._written = self.last
        took_s = time.monotonic() - started
        self._due_at = time.monotonic() + took_s * (1 / WRITING_SHARE - 1)

    def path(self, run: Run) -> Path:
        """Return the path of a run's result file."""
        return self._folder / results.file_name(run)


def check_writable(flag: str, given: str, folder: Path) -> None:
    """Find out now, rather than after the measurement, whether a folder takes a file."""
    probe = folder / f".breakeven-probe-{os.getpid()}"
    try:
        results.make_folder(folder)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"{flag} {given} cannot be written to: {error.strerror}; name another") from None


def _check_json(given: str) -> None:
    path = Path(given)
    check_writable("--json", given, path.parent)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:  # such as a name that is too long
        raise UsageError(f"--json {given} cannot be written to: {error.strerror}; name another") from None
    if stat.S_ISDIR(mode):
        what = f"{given} is a folder" if given else "is empty"
        raise UsageError(f"--json {what}; name a file")
    if not stat.S_ISREG(mode):  # such as /dev/null, which the result would replace
        raise UsageError(f"--json {given} is not a regular file; name another, or give - for standard output")


def _report_incomplete(run: Run, saver: Saver, options: Options) -> None:
    try:
        with signals.ignored():
            saver.flush()
    except BreakevenError as error:
        sys.stderr.write(f"\norchestrator: {error}\n")  # beside the reason why the run ended
        return
    sys.stderr.write(f"\n{_rounds(run)} saved\n")
    with suppress(KeyboardInterrupt):  # the caller raises what ended the run anyway
        try:
            _report(run, options)
        except BreakevenError as error:
            sys.stderr.write(f"orchestrator: {error}\n")


def _rounds(run: Run) -> str:
    measured = len(run.loads)
    if run.plan.searched or measured > run.plan.rounds:  # a search or a sweep adds some
        return count(measured, "round") if measured else "part of the first round"
    return f"{measured or 'part of the first'} of {count(run.plan.rounds, 'round')}"


def _report(run: Run, options: Options) -> None:
    path = Path(options.output) / results.file_name(run)
    page = path.with_suffix(".html")
    incomplete = "" if run.complete else "incomplete "
    unwritten: OSError | None = None
    try:
        try:
            if options.json == STDOUT:
                sys.stdout.write(results.dumps(run))
            else:
                show(run, options.table)
        except OSError as error:
            unwritten = error
        sys.stderr.write(f"{incomplete}result: {escape_control(str(path))}\n")
        if options.json not in (None, STDOUT):
            results.write(run, Path(options.json or ""))
        _write_page(run, page)
    except KeyboardInterrupt:
        remedy = escape_control(f"orchestrator report {path} --format html --output {page}")
        sys.stderr.write(f"\nreport not written; '{remedy}' makes it\n")
        raise
    sys.stderr.write(f"{incomplete}report: {escape_control(str(page))}\n")
    if link := os.environ.get("BREAKEVEN_FLOWER_LINK"):  # as docker-compose.yml sets it
        ask = "docker compose exec flower cat /flower/password"
        sys.stderr.write(f"Flower: {escape_control(link)} (user {USER}, password: {ask})\n")
    flush_output(unwritten)


def _write_page(run: Run, path: Path) -> None:
    """Write the HTML report, renamed into place so that a browser never loads half of it."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(html.render(run, analyse(run)), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"the report cannot be written to {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _wait_for_enter() -> None:
    """Keep Flower and its workers on a terminal until the user presses Enter; elsewhere they end at once."""
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    # Suppressed from the message on: a quick Ctrl-C ends Flower, it does not interrupt the run.
    with suppress(KeyboardInterrupt):
        sys.stderr.write("Flower stays until you press Enter\n")
        sys.stdin.readline()
