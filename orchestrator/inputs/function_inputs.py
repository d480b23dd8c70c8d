"""The inputs of a user's function, from what `--inputs` names; read in the process that calls the function."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import BreakevenError
from orchestrator.inputs.source import files_of, path_of
from worker.functions import NAME, find
from worker.redaction import escape_control
from worker.values import UncrossableError, check, decode, decode_all, encode

MAX_INPUTS: Final = 100_000  # of which a batch takes its own
RANGE: Final = re.compile(r"range\(\s*(-?\d{1,18})\s*(?:,\s*(-?\d{1,18})\s*)?\)", re.ASCII)
STDIN: Final = "-"
STDIN_COPY: Final = "standard input.jsonl"  # the file that it is copied to
FROM_PYTHON: Final = ".msgpack"  # the suffix of a file that `orchestrator.api` writes
FORMS: Final = (
    "a .jsonl file, a text file, a folder, PKG.MOD:NAME of an iterable or of a function that returns one, range(N), "
    "or - for JSON lines on standard input"
)


class InputsError(ValueError):
    """The inputs cannot be read; the message says why and what to do."""


def read_inputs(spec: str, folders: Sequence[str]) -> list[Any]:
    """Return up to `MAX_INPUTS` inputs, each as it is after crossing a process.

    Args:
        spec: what `--inputs` names; paths are relative to the current folder.
        folders: where modules are looked for, last of all.

    Raises:
        InputsError: there is no such thing, it is empty, or an input cannot cross.
        FunctionError: a module cannot be imported.
    """
    inputs = []
    for number, value in enumerate(islice(_values(spec, folders), MAX_INPUTS), start=1):
        try:
            check(value)
        except UncrossableError as error:
            raise InputsError(f"input {number} of {as_given(spec)} is {error}") from None
        inputs.append(decode(encode(value)))
    if not inputs:
        raise InputsError(f"{as_given(spec)} has no inputs; give at least one")
    return inputs


def as_given(spec: str) -> str:
    """Return the inputs as a user knows them: `spec` may be a file that we wrote."""
    path = Path(spec)
    if path.name == STDIN_COPY:
        return "standard input"
    return "the list of inputs" if path.suffix == FROM_PYTHON else f"--inputs {spec}"


def _values(spec: str, folders: Sequence[str]) -> Iterator[Any]:
    """The inputs as the source has them."""
    if ends := RANGE.fullmatch(spec.strip().replace("_", "")):  # 10_000 is 10000, as in Python
        first, last = (0, int(ends[1])) if ends[2] is None else (int(ends[1]), int(ends[2]))
        return iter(range(first, last))
    path = path_of(spec)
    try:
        if path.is_dir():
            return (str(path / file.name) for file in files_of(path))
        if path.exists():
            return READERS.get(path.suffix, _text_lines)(path)
    except (OSError, ValueError, BreakevenError) as error:
        raise InputsError(f"{as_given(spec)} cannot be read: {error}") from None
    if NAME.fullmatch(spec):
        return _iterated(spec, find(spec, folders))
    if spec.startswith("range("):
        raise InputsError(
            f"--inputs {escape_control(spec, longest=200)} is no range; give range(N) or range(FIRST,END)"
        )
    raise InputsError(f"--inputs {escape_control(spec, longest=200)} is not there; give {FORMS}")


def _json_lines(path: Path) -> Iterator[Any]:
    for number, line in _lines(path):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise InputsError(
                f"line {number} of {as_given(str(path))} is not JSON ({error}); write one JSON value a line"
            ) from None


def _json_document(path: Path) -> Iterator[Any]:
    lines = shlex.quote(str(path.with_suffix(".jsonl")))
    raise InputsError(
        "it is one JSON document, and inputs are a JSON value a line; to make lines of a list: "
        f"jq -c '.[]' {shlex.quote(str(path))} > {lines}, and --inputs {lines}"
    )


def _text_lines(path: Path) -> Iterator[str]:
    return (line for _, line in _lines(path))


def _packed(path: Path) -> Iterator[Any]:
    """Values as `orchestrator.api` writes them."""
    with path.open("rb") as file:
        yield from decode_all(file)


READERS: Final[Mapping[str, Callable[[Path], Iterator[Any]]]] = {
    ".jsonl": _json_lines,
    ".json": _json_document,
    FROM_PYTHON: _packed,
}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines that are not blank, without their ends."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise InputsError(f"{as_given(str(path))} cannot be read: {error}; give text in UTF-8") from None


def _iterated(spec: str, named: Any) -> Iterator[Any]:
    try:
        values: Iterable[Any] = named() if callable(named) else named
        yield from values
    except InputsError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises is told to them
        text = escape_control(f"{type(error).__name__}: {error}", longest=300)
        raise InputsError(
            f"--inputs {spec} gives no inputs ({text}); name an iterable, or a function that returns one"
        ) from None
