"""The user's own functions: found by name, imported once, and called by no other name than an allowed one.

`BREAKEVEN_FUNCTIONS` lists what this process may call (`jobs:thumbnail`), `BREAKEVEN_FUNCTION_PATH` the folders of the
modules, which come last in `sys.path`; functions run in the first of them. Both are read once.
"""

from __future__ import annotations

import ast
import asyncio
import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from worker.redaction import escape_control
from worker.settings import settings

NAME: Final = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)", re.ASCII)
ONE: Final = object()  # stands for the input when a signature is checked


class FunctionError(ValueError):
    """A function cannot be called; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class LoadedFunction:
    """A function that was imported."""

    name: str  # pkg.mod:name
    call: Callable[[Any], Any]  # with one input; runs a coroutine to its end
    coroutine: Callable[[Any], Coroutine[Any, Any, Any]] | None  # what `call` runs, of an `async def`
    version: str | None  # hash of its module's source; `None` if that has none


class AllowedFunctions(Mapping[str, Callable[[Any], Any]]):
    """The functions of `BREAKEVEN_FUNCTIONS` by name, imported when they are first asked for."""

    def __getitem__(self, name: str) -> Callable[[Any], Any]:
        return allowed(name).call

    def __iter__(self) -> Iterator[str]:
        return iter(settings().functions)

    def __len__(self) -> int:
        return len(settings().functions)

    def __contains__(self, name: object) -> bool:
        return name in settings().functions


@functools.cache
def allowed(name: str) -> LoadedFunction:
    """Return a function of `BREAKEVEN_FUNCTIONS`.

    Raises:
        KeyError: it is not among them.
        FunctionError: it cannot be called.
    """
    if name not in settings().functions:
        raise KeyError(name)
    return load(name, settings().function_folders)


def enter_folder() -> None:
    """Change to the folder in which functions run, if this process may call one."""
    if settings().functions:
        os.chdir(settings().function_folders[0])


def drop_output() -> None:
    """Send what this process prints, its standard output and error, nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def load(name: str, folders: Sequence[str]) -> LoadedFunction:
    """Import a function, looking for its module where Python looks, and in `folders` last.

    Raises:
        FunctionError: it cannot be imported, or not be called with one input.
    """
    function = find(name, folders)
    _check_callable(name, function)
    version = _version(sys.modules[name.partition(":")[0]])
    if inspect.iscoroutinefunction(function):
        return LoadedFunction(name, functools.partial(_run, function), function, version)
    return LoadedFunction(name, function, None, version)


def find(name: str, folders: Sequence[str]) -> Any:
    """Return what `pkg.mod:name` names.

    Raises:
        FunctionError: there is no such module or name, or the module fails to import.
    """
    matched = NAME.fullmatch(name)
    if matched is None:
        raise FunctionError(
            f"{name!r:.200} is not PKG.MOD:NAME; write the module and the function, such as jobs:thumbnail"
        )
    module = _import(matched[1], folders)
    try:
        return getattr(module, matched[2])
    except AttributeError:
        names = [each for each in vars(module) if not each.startswith("_")]
        close = difflib.get_close_matches(matched[2], names, n=1)
        see = f"see {getattr(module, '__file__', None) or 'its documentation'}"
        hint = f"did you mean {matched[1]}:{close[0]}?" if close else see
        raise FunctionError(f"{matched[1]} has no {matched[2]}; {hint}") from None


def _import(module: str, folders: Sequence[str]) -> ModuleType:
    top = module.partition(".")[0]
    theirs = _theirs(top, folders)
    sys.path.extend(folder for folder in folders if folder not in sys.path)
    before = set(sys.modules)
    try:
        found = _spec_of(top)
        if theirs is not None and not _is_same(theirs, found):
            raise _shadowed(top, theirs, found)
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            where, plain = ", ".join(folders) or "sys.path", module.removesuffix(".py")
            remedy = (
                "run from its folder or set PYTHONPATH" if plain == module else f"write {plain}, without .py"
            )
            raise FunctionError(f"no module named {error.name} in {where}; {remedy}") from None
        raise _broken(module, error, folders) from None
    except (FunctionError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a module raises, SystemExit too, is told to its user
        raise _broken(module, error, folders) from None
    _check_shadows(set(sys.modules) - before, folders)
    return imported


def _theirs(top: str, folders: Sequence[str]) -> ModuleSpec | None:
    """The module in `folders`; a folder without `__init__.py` is none that another could hide."""
    spec = PathFinder.find_spec(top, [*folders])
    return None if spec is None or spec.loader is None else spec


def _spec_of(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except ValueError:  # it is loaded and has none
        return None


def _check_shadows(imported: Iterable[str], folders: Sequence[str]) -> None:
    """Raise if a module in `folders` imports one of its neighbours, and got another of the same name."""
    for top in sorted({top for name in imported for top in _imports_of(sys.modules.get(name), folders)}):
        theirs = _theirs(top, folders)
        if theirs is not None and not _is_same(theirs, _spec_of(top)):
            raise _shadowed(top, theirs, _spec_of(top))


def _imports_of(module: ModuleType | None, folders: Sequence[str]) -> set[str]:
    """The packages that a module in `folders` imports."""
    file = getattr(module, "__file__", None) or ""
    if not file.endswith(".py") or not _lies_in(file, folders):
        return set()
    if {"site-packages", "dist-packages"} & set(Path(file).parts):  # of a virtual environment in the folder
        return set()
    nodes = [*ast.walk(ast.parse(Path(file).read_bytes()))]
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {
        node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return {name.partition(".")[0] for name in plain | named}


def _lies_in(file: str, folders: Sequence[str]) -> bool:
    roots = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)  # noqa: PTH118 - a prefix
    return os.path.realpath(file).startswith(roots)


def _is_same(one: ModuleSpec, other: ModuleSpec | None) -> bool:
    return other is not None and _places(one) == _places(other)


def _places(spec: ModuleSpec) -> set[str]:
    places = spec.submodule_search_locations or [spec.origin or ""]
    return {os.path.realpath(place) for place in places}


def _shadowed(top: str, theirs: ModuleSpec, found: ModuleSpec | None) -> FunctionError:
    place = sorted(_places(theirs))[0]
    other = "another module" if found is None or not found.origin else found.origin
    return FunctionError(f"{place} is hidden by {other}, which has the same name {top}; rename yours")


def _broken(module: str, error: BaseException, folders: Sequence[str]) -> FunctionError:
    """Return the error of a module that fails to import, with the file and the line of the user's that raised it."""
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename}, line {error.lineno}"
    else:
        frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        own = [each for each in frames if _lies_in(each[0], folders)] or frames
        place = f"{own[-1][0]}, line {own[-1][1]}"
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    text = escape_control(
        f"{type(error).__name__}: {reason}" if reason else type(error).__name__, longest=300
    )
    return FunctionError(
        f"{module} fails to import: {text} ({place}); mend it there, or install what it needs"
    )


def _check_callable(name: str, function: Any) -> None:
    if inspect.isclass(function):
        raise FunctionError(f"{name} is a class; name a function that takes one input and returns one output")
    if not callable(function):
        raise FunctionError(
            f"{name} is {type(function).__name__}, not a function; name one that takes one input"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise FunctionError(f"{name} is a generator; name a function that returns its output, such as a list")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin may not tell
        return
    try:
        signature.bind(ONE)
    except TypeError as error:
        raise FunctionError(
            f"{name}{signature} cannot be called with one input ({error}); name a function of one argument that "
            "calls it"
        ) from None


def _run(function: Callable[[Any], Coroutine[Any, Any, Any]], value: Any) -> Any:
    return asyncio.run(function(value))


def _version(module: ModuleType) -> str | None:
    try:
        file = getattr(module, "__file__", None)  # a builtin module has none
        return hashlib.sha256(Path(file or "").read_bytes()).hexdigest()[:16]
    except OSError:
        return None


@functools.cache
def descriptions() -> tuple[dict[str, str | None], ...]:
    """Return each allowed function's name with its version, or with the error that keeps it from being called."""
    found = []
    for name in settings().functions:
        try:
            found.append({"name": name, "version": allowed(name).version, "error": None})
        except FunctionError as error:
            found.append({"name": name, "version": None, "error": escape_control(str(error), longest=1000)})
    return tuple(found)
