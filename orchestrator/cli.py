"""The command line: the registry of commands, and the only place where errors become exit codes."""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperCommand

from orchestrator import signals
from orchestrator.commands.compare import compare
from orchestrator.commands.doctor import doctor
from orchestrator.commands.gate import gate
from orchestrator.commands.list_ import list_
from orchestrator.commands.origin import origin
from orchestrator.commands.predict import predict
from orchestrator.commands.report import report
from orchestrator.commands.signature import measuring_command
from orchestrator.errors import INTERRUPTED, BreakevenError, UnavailableError, flush_output
from worker.redaction import escape_control, redact_url

app = typer.Typer(
    name="orchestrator",
    help="Measure whether Celery makes your work faster, from what size on, and what holds it back.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, Callable[..., Any]] = {
    "run": measuring_command("run", "Say what to use for each stage, and whether Celery pays."),
    "scale": measuring_command(
        "scale",
        "Measure throughput on more and more slots. Says what bounds it, and from how many slots Celery wins.",
    ),
    "breakeven": measuring_command(
        "breakeven",
        "Find from what size or length of a task Celery pays. Or from what latency, chunk or number of tasks.",
    ),
    "load": measuring_command(
        "load", "Measure the latency that tasks see at an arrival rate. Says whether a promise is kept."
    ),
    "compare": compare,
    "gate": gate,
    "predict": predict,
    "report": report,
    "doctor": doctor,
    "origin": origin,
    "list": list_,
}
NOT_A_NUMBER: Final = re.compile(
    r"Invalid value for '(--[a-z-]+)': Input should be a valid (integer|number)"
)  # Typer's message, which leaves out the value
NUMBERS: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "integer": ("a whole number", int),
    "number": ("a number", float),
}
UNWRITABLE: Final = (errno.EBADF, errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of standard output
# For an encoding that lacks our signs: one character each, so that columns stay aligned.
ASCII: Final = dict(zip("µ±\u00d7\u2013\u2212…│─┼●", "u~x--~|-+o", strict=True))
ASCII_FALLBACK: Final = "breakeven-ascii"  # the name of the error handler
ARGUMENT_TYPE: Final = re.compile(r"^(  [A-Z]+) <str>", re.MULTILINE)  # in the help's list of arguments


class Command(TyperCommand):
    """A command whose help names its arguments as a manual page does: `OLD NEW`, not `{OLD} <str>`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line, without braces around required arguments."""
        return [re.sub(r"^\{(.*)\}$", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]

    def get_help(self, ctx: Any) -> str:
        """Return the help, with spaces in place of the types so that columns stay aligned."""
        return ARGUMENT_TYPE.sub(lambda found: f"{found[1]}{' ' * len(' <str>')}", super().get_help(ctx))


for name, command in COMMANDS.items():
    app.command(name, cls=Command)(command)


def _show_version(asked: bool) -> None:
    if asked:
        # Imported here: it reads package metadata, which no other command needs.
        from importlib.metadata import version as version_of  # noqa: PLC0415

        typer.echo(f"breakeven {version_of('breakeven')}")
        raise typer.Exit


@app.callback()
def common(
    version: bool = typer.Option(
        False, "--version", help="Show the version and exit.", is_eager=True, callback=_show_version
    ),
) -> None:
    """Options that belong to no command."""


def main() -> NoReturn:
    """Run a command and exit: 0 done, 1 unsound, 2 usage, 3 unavailable, 130 interrupted."""
    signals.install()
    _open_missing_streams()
    _install_ascii_fallback()
    code = _run(sys.argv[1:])
    with suppress(UnavailableError):  # an error was reported already
        flush_output()
    sys.exit(code)


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII for signs that cannot be encoded, `?` for those not ours."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(ASCII.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


def _open_missing_streams() -> None:
    """Open what was closed before we started: a later file or socket would take its number, and our text."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)  # writing to stdout still fails
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", closefd=False)


def _install_ascii_fallback() -> None:
    codecs.register_error(ASCII_FALLBACK, in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ASCII_FALLBACK)


def _run(arguments: list[str]) -> int:
    try:
        result = _result(arguments or ["--help"])
    except BreakevenError as error:
        return _say(_without_secrets(str(error), arguments), error.exit_code)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.Abort:
        return _say("interrupted", INTERRUPTED)
    except Exception as error:
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        command = getattr(getattr(error, "ctx", None), "command_path", "orchestrator")
        reason = _with_the_value(message(), arguments).rstrip(".")
        return _say(_without_secrets(f"{reason}; see '{command} --help'", arguments), 2)
    if result == INTERRUPTED:
        return _say("interrupted", INTERRUPTED)  # Typer's own code for a KeyboardInterrupt
    return result if isinstance(result, int) else 0


def _result(arguments: list[str]) -> object:
    """Run the command and write what it printed.

    Raises:
        UnavailableError: that could not be written.
    """
    try:
        result: object = app(arguments, prog_name="orchestrator", standalone_mode=False)
    except OSError as error:
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        flush_output(error)
    flush_output()
    return result


def _with_the_value(message: str, arguments: list[str]) -> str:
    """Typer's message; if an option needs a number, one that repeats what was given instead."""
    refused = NOT_A_NUMBER.match(message)
    if refused is None:
        return message
    option, kind, parse = refused[1], *NUMBERS[refused[2]]
    for word, after in zip(arguments, (*arguments[1:], ""), strict=True):
        name, equals, given = word.partition("=")
        value = given if equals else after
        if name == option and not _is_number(value, parse):
            return f"{option} {value!r} is not {kind}"
    return message


def _is_number(text: str, parse: Callable[[str], object]) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _without_secrets(message: str, arguments: list[str]) -> str:
    for word in arguments:
        for part in (word, word.partition("=")[2]):
            if "://" in part or "@" in part:
                for quoted in (part, repr(part)[1:-1], str(Path(part))):  # a path has no two slashes in a row
                    message = message.replace(quoted, redact_url(part))
    return message


def _say(message: str, code: int) -> int:
    # A message may quote lines of a child's log; nothing else in it may move the cursor.
    lines = (escape_control(line, longest=4000) for line in message.splitlines() or [""])
    sys.stderr.write("orchestrator: " + "\n".join(lines) + "\n")
    return code
