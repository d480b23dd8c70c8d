"""Breakeven from Python and notebooks: `from orchestrator import run; run(function=thumbnail, inputs=paths)`.

Each call is the command of the same name in a process of its own. So a function cannot hurt the notebook, the
notebook's event loop and signal handlers are left alone, and both give the same results.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any, Final

from orchestrator import results
from orchestrator.analysis.analyse import Findings, analyse
from orchestrator.commands.progress import LINES_EVERY
from orchestrator.commands.signature import is_repeatable
from orchestrator.errors import BreakevenError, UnavailableError, UsageError
from orchestrator.inputs.function_inputs import FROM_PYTHON, MAX_INPUTS
from orchestrator.model.runs import CellResult, Run
from orchestrator.phrases.function import row_texts, rows_heading
from orchestrator.phrases.headline import Headline, headline
from orchestrator.planning.options import options_of
from orchestrator.reports import terminal
from orchestrator.reports.html import render
from worker.sealed_environment import FUNCTION_PATH
from worker.values import UncrossableError, check, encode

ERRORS: Final[Mapping[int, type[BreakevenError]]] = {2: UsageError, 3: UnavailableError}
PREFIX: Final = "orchestrator: "  # of what a command says
STEPS: Final = re.compile(r"(\d+) of (\d+) samples")  # as a command tells its progress
BAR: Final = 24  # characters of the bar,
WIDTH: Final = 100  # and of the line
END_S: Final = 60.0  # seconds that a command that is interrupted may take to end what it started
COMMAND_LINE_ONLY: Final = ("dry_run", "json")  # what they write to standard output or a file, `Result` has
ROOT: Final = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    """What a command measured; shown as the answer, in a notebook as HTML.

    Attributes:
        run: everything measured.
    """

    run: Run

    @cached_property
    def findings(self) -> Findings:
        """Everything concluded from it."""
        return analyse(self.run)

    @property
    def answer(self) -> Headline:
        """The answer in a few words (`text`), and what explains it (`lead`)."""
        return headline(self.findings)

    @property
    def cells(self) -> tuple[CellResult, ...]:
        """The rows, each with its samples."""
        return self.run.cells

    def save(self, path: str | Path) -> None:
        """Write the result file, or the HTML page if the name ends in `.html`."""
        target = Path(path)
        if target.suffix != ".html":
            results.write(self.run, target)
            return
        try:
            target.write_text(render(self.run, self.findings), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{target} cannot be written to: {error.strerror}; name another") from None

    def __str__(self) -> str:
        return terminal.render(self.run, self.findings)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the answer as HTML, as notebooks show it."""
        said, found = self.answer, self.findings.function
        parts = [f"<p><strong>{escape(said.text)}</strong></p>", f"<p>{escape(said.lead)}</p>"]
        if found is not None:
            rows = "".join(
                f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row_texts(row))}</tr>"
                for row in found.rows
            )
            head = "<tr><th>row</th><th>slots</th><th>time</th><th>against serial</th></tr>"
            parts.append(f"<table><caption>{escape(rows_heading(found))}</caption>{head}{rows}</table>")
        parts.append(f"<details><summary>everything</summary><pre>{escape(str(self))}</pre></details>")
        return f'<div class="breakeven">{"".join(parts)}</div>'


def run(function: Callable[[Any], Any] | str | None = None, inputs: object = None, **options: Any) -> Result:
    """Compare the ways to run a function over its inputs, as `orchestrator run` does.

    Args:
        function: one input in, one output out, in a module; or its name `pkg.mod:name`. Without it, our own stages.
        inputs: the inputs, or what `--inputs` takes.
        options: the command's options with underscores, such as `slots=4`, `budget=30` or `strategy=["threads"]`;
            `progress=False` shows no bar.

    Raises:
        UsageError: the function, its inputs or an option make no sense.
        UnavailableError: something that is needed is not there.
        BreakevenError: nothing could be measured.

    Example:
        >>> from orchestrator import run
        >>> run(function=thumbnail, inputs=paths, slots=4)
    """
    return _measured("run", function, inputs, options)


def scale(
    function: Callable[[Any], Any] | str | None = None, inputs: object = None, **options: Any
) -> Result:
    """Measure the same work on more and more slots, as `orchestrator scale` does; see `run`."""
    return _measured("scale", function, inputs, options)


def load(function: Callable[[Any], Any] | str | None = None, inputs: object = None, **options: Any) -> Result:
    """Measure latency at an arrival rate, as `orchestrator load` does; see `run`."""
    return _measured("load", function, inputs, options)


def _measured(
    command: str, function: Callable[[Any], Any] | str | None, inputs: object, options: dict[str, Any]
) -> Result:
    progress = options.pop("progress", True)
    arguments = [command, *_flags(command, options)]
    with tempfile.TemporaryDirectory(prefix="breakeven-api-") as folder:
        if function is not None:
            arguments += ["--function", function if isinstance(function, str) else name_of(function)]
        if inputs is not None:
            arguments += ["--inputs", inputs if isinstance(inputs, str) else _written(inputs, Path(folder))]
        file = Path(folder) / "result.json"
        if "--output" not in arguments:
            arguments += ["--output", folder]
        code, said = _command([*arguments, "--json", str(file)], progress)
        if not file.exists():
            raise ERRORS.get(code, BreakevenError)(
                said or f"orchestrator {command} ended with exit code {code}"
            )
        return Result(results.read(file))


def name_of(function: Callable[[Any], Any]) -> str:
    """Return the name `pkg.mod:name` of a function that other processes can import.

    Raises:
        UsageError: it has none: a lambda, a function in a function, or one of a notebook's or script's own.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or not name.isidentifier():
        raise UsageError(
            f"{function!r:.100} cannot be imported by name; give a function at the top of a module, such as "
            "one in jobs.py"
        )
    if module == "__main__":
        raise UsageError(
            f"{name} was defined here, where other processes cannot import it; put it into a file, such as "
            f"jobs.py (in a notebook: '%%writefile jobs.py' on top of its cell), and give jobs.{name}"
        )
    names = vars(sys.modules[module]) if module in sys.modules else {}
    if names.get(name) in _wrapped_by(function):  # a decorator gave it the name of what it wraps
        own = [each for each, value in names.items() if value is function]
        if not own:
            raise UsageError(
                f"{function!r:.100} wraps {module}.{name} and has no name there; give it one at the top of a module"
            )
        name = own[0]
    return f"{module}:{name}"


def _wrapped_by(function: Any) -> list[Any]:
    wrapped = []
    while (function := getattr(function, "__wrapped__", None)) is not None and function not in wrapped:
        wrapped.append(function)
    return wrapped


def _flags(command: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the command line of options: `True` is a flag alone, several values are repeated or joined by commas."""
    flags = {
        option.flag.removeprefix("--").replace("-", "_"): (option.flag, is_repeatable(field.name, option))
        for field, option in options_of(command).values()
    }
    known = {name: option for name, option in flags.items() if name not in COMMAND_LINE_ONLY}
    for name, value in options.items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            raise UsageError(
                f"{command} has no option {name}{f' (did you mean {close[0]}?)' if close else ''}; it has "
                f"{', '.join(known)}"
            )
        flag, repeatable = known[name]
        several = isinstance(value, Iterable) and not isinstance(value, str)
        if several and not repeatable:
            yield from (flag, ",".join(map(str, value)))
            continue
        for each in value if several else (value,):
            if each is True:
                yield flag
            elif each is not None and each is not False:
                yield from (flag, str(each))


def _written(inputs: object, folder: Path) -> str:
    """Write inputs to a file that `--inputs` takes."""
    if not isinstance(inputs, Iterable):
        raise UsageError(f"inputs are {type(inputs).__name__}; give a list, or what --inputs takes")
    path = folder / f"inputs{FROM_PYTHON}"
    with path.open("wb") as file:
        for number, value in enumerate(islice(inputs, MAX_INPUTS), start=1):
            crossing = os.fspath(value) if isinstance(value, os.PathLike) else value
            try:
                check(crossing)
            except UncrossableError as error:
                raise UsageError(f"input {number} is {error}") from None
            file.write(encode(crossing))
    return str(path)


def _command(arguments: list[str], progress: bool) -> tuple[int, str]:
    """Run a command; return its exit code, and the error that it ended with."""
    process = subprocess.Popen(  # noqa: S603 - our own command line, by this interpreter
        [sys.executable, "-P", "-m", "orchestrator", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            FUNCTION_PATH: os.pathsep.join(_user_folders()),
            LINES_EVERY: "0",
        },
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        said = _followed(process.stderr, progress)
        return process.wait(), said
    except BaseException:
        process.send_signal(
            signal.SIGINT
        )  # it saves nothing that anyone would find, and ends what it started
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        process.kill()
        raise


def _user_folders() -> list[str]:
    """Where the function's module is: the current folder, and those of `sys.path` that are not Python's or ours."""
    python = tuple(str(Path(prefix) / "lib") for prefix in (sys.prefix, sys.base_prefix))
    folders = (str(Path(path or ".").absolute()) for path in ("", *sys.path))
    return [*dict.fromkeys(path for path in folders if not path.startswith(python) and path != str(ROOT))]


def _followed(lines: Iterable[str] | None, progress: bool) -> str:
    """Show the progress that a command tells; return the last of its other lines."""
    last, drawn = "", False
    for line in lines or ():
        text = line.rstrip().removeprefix(PREFIX)
        steps = STEPS.match(text)
        if steps is None and text:
            last = text
        if not progress:
            continue
        if steps is not None:
            done, total = int(steps[1]), int(steps[2])
            filled = BAR * done // max(1, total)
            bar = f"[{'#' * filled}{'.' * (BAR - filled)}] {text}"
            sys.stderr.write(f"\r{bar:<{WIDTH}.{WIDTH}}")
            drawn = True
        elif line.startswith(PREFIX):
            sys.stderr.write(("\n" if drawn else "") + text + "\n")
            drawn = False
        sys.stderr.flush()
    if drawn:
        sys.stderr.write("\n")
    return last
