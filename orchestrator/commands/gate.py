"""`gate`: is one version of a project slower than another, both measured in one run."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from orchestrator.commands.signature import option
from orchestrator.errors import UsageError
from orchestrator.planning.options import TOLERANCE
from worker.redaction import escape_control, redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.model.runs import Run  # loads pydantic, which --help can do without

BUDGET_S: Final = 90.0  # seconds that a gate takes, about
ROUNDS: Final = 40  # planned; as many pairs of samples in each row
STRATEGIES: Final = ("serial", "celery")


def gate(
    base: Annotated[Path, option("--base", "Folder of the version to compare with.", "DIR")],
    head: Annotated[Path, option("--head", "Folder of the version that is judged.", "DIR")],
    function: Annotated[
        str,
        option(
            "--function",
            "The function to measure, by the same name in both; it is called often.",
            "PKG.MOD:NAME",
        ),
    ],
    inputs: Annotated[
        str, option("--inputs", "Its inputs, as in 'run'; both versions read the same path.", "SPEC")
    ],
    strategy: Annotated[
        list[str] | None,
        option(
            "--strategy", f"Only this strategy (repeatable); by default {' and '.join(STRATEGIES)}.", "NAME"
        ),
    ] = None,
    slots: Annotated[
        int | None, option("--slots", "Celery slots of each version; by default as in 'run'.", "N")
    ] = None,
    budget: Annotated[float, option("--budget", "Seconds that it may take, about.", "SECONDS")] = BUDGET_S,
    rounds: Annotated[
        int,
        option(
            "--rounds", "Rounds, each with every row of both versions once; 20 or more for a decision.", "N"
        ),
    ] = ROUNDS,
    margin: Annotated[
        float, option("--margin", "Changes smaller than this share do not matter (0.05 is 5 %).", "SHARE")
    ] = 0.05,
    tolerance: Annotated[
        float,
        option("--tolerance", "Relative difference within which floats of its outputs are equal.", "SHARE"),
    ] = TOLERANCE,
    no_verify: Annotated[bool, option("--no-verify", "Do not compare outputs with serial ones.")] = False,
    format_: Annotated[
        str, option("--format", "terminal, markdown (for a pull request) or json.", "NAME")
    ] = "terminal",
    output: Annotated[str, option("--output", "Folder for both result files.", "FOLDER")] = "results",
) -> int:
    """Say if a function is slower in one checkout than in another."""
    # Imported here: they load Celery, NumPy and pydantic, which --help can do without.
    from orchestrator import results  # noqa: PLC0415
    from orchestrator.commands.execute import check_writable  # noqa: PLC0415
    from orchestrator.commands.progress import progress  # noqa: PLC0415
    from orchestrator.measurement.gate import GateOptions, take_turns  # noqa: PLC0415
    from orchestrator.reports.gate import GATE_REPORTS  # noqa: PLC0415

    if format_ not in GATE_REPORTS:
        raise UsageError(f"unknown format {format_!r}; choose from {', '.join(GATE_REPORTS)}")
    folders = {"base": base, "head": head}
    for name, folder in folders.items():
        if not folder.is_dir():
            raise UsageError(f"--{name} {folder} is not a folder; give a checkout of your project")
    options = {
        "function": function,
        "inputs": _same_path(inputs),
        "strategies": list(strategy or STRATEGIES),
        "slots": slots,
        "budget_s": budget,
        "sides": len(folders),
        "rounds": str(rounds),
        "margin": margin,
        "tolerance": tolerance,
        "no_verify": no_verify,
    }
    check_writable("--output", output, Path(output))
    with tempfile.TemporaryDirectory(prefix="breakeven-gate-") as temporary:
        files = {name: Path(temporary) / f"{name}.json" for name in folders}
        asked = GateOptions({name: folder.resolve() for name, folder in folders.items()}, options)
        code = 0
        try:
            with progress() as watcher:
                take_turns(asked, files, watcher)
        finally:
            runs = {name: _as_gate(results.read(path)) for name, path in files.items() if path.exists()}
            try:
                if len(runs) == len(files):
                    code = _judge(runs["base"], runs["head"], format_)
            finally:
                _save(runs, Path(output))
        return code


def _judge(base: Run, head: Run, format_: str) -> int:
    """Print the outcome, and return the exit code."""
    from orchestrator.analysis.verdicts.gate import gate as judged  # noqa: PLC0415 - as above
    from orchestrator.reports import gate as reports  # noqa: PLC0415
    from orchestrator.reports.terminal import screen  # noqa: PLC0415

    found = judged(base, head)
    console = screen()
    if format_ == "terminal" and console.is_terminal:
        console.print(reports.report(found, base, head))
    else:
        sys.stdout.write(reports.GATE_REPORTS[format_](found, base, head))
    return int(found.regression or not found.judged)


def _save(runs: Mapping[str, Run], folder: Path) -> None:
    from orchestrator import results  # noqa: PLC0415 - as above

    for name, run in runs.items():
        saved = folder / results.file_name(run)
        results.write(run, saved)
        sys.stderr.write(f"result of {name}: {escape_control(str(saved))}\n")


def _as_gate(run: Run) -> Run:
    """A side's run with the command line that repeats it."""
    plan = replace(run.plan, arguments=tuple(map(redact_url, sys.argv[1:])))
    return replace(run, command="gate", plan=plan)


def _same_path(inputs: str) -> str:
    """The inputs with a path of the current folder made absolute, so that both versions read the same."""
    if not inputs:  # would name the current folder
        raise UsageError("--inputs is empty; name a file, a folder, PKG.MOD:NAME or range(N)")
    if inputs == "-":
        raise UsageError("--inputs - can be read once, and a gate has two versions; save it to a file first")
    path = Path(inputs)
    return str(path.absolute()) if os.path.exists(path) else inputs  # noqa: PTH110 - Path's raises on a long name
