"""A user's function: found by its name, refused with a remedy, called only if it is allowed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from worker import functions
from worker.contract import Task
from worker.execution import execute
from worker.functions import FunctionError, load
from worker.settings import settings

JOBS = """
import sys
CONSTANT = 3
class Thing: pass
def double(x): return 2 * x
def pair(a, b): return a
def optional(a, b=1): return a
def stream(x): yield x
async def later(x): return x + 1
async def astream(x): yield x
def leave(x): sys.exit(x)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with modules; what is imported from it is forgotten afterwards."""
    path, modules = [*sys.path], set(sys.modules)
    (tmp_path / "fn_jobs.py").write_text(JOBS)
    (tmp_path / "fn_pkg").mkdir()
    (tmp_path / "fn_pkg" / "__init__.py").write_text("")
    (tmp_path / "fn_pkg" / "mod.py").write_text("def f(x): return x")
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_function_is_found_in_the_folders_which_come_last_in_the_path(folder: Path) -> None:
    assert load("fn_jobs:double", [str(folder)]).call(4) == 8
    assert load("fn_pkg.mod:f", [str(folder)]).call(4) == 4
    assert sys.path[-1] == str(folder)


def test_a_coroutine_is_run_to_its_end(folder: Path) -> None:
    later = load("fn_jobs:later", [str(folder)])
    assert later.coroutine is not None
    assert later.call(1) == 2


def test_the_version_is_that_of_the_source(folder: Path) -> None:
    before = load("fn_jobs:double", [str(folder)]).version
    assert load("fn_jobs:optional", [str(folder)]).version == before
    (folder / "fn_jobs.py").write_text(f"{JOBS}\n")
    assert load("fn_jobs:double", [str(folder)]).version not in (before, None)


def test_a_function_of_a_builtin_module_has_no_version(folder: Path) -> None:
    assert load("time:sleep", [str(folder)]).version is None
    with pytest.raises(FunctionError, match="time has no nothing; see its documentation"):
        load("time:nothing", [str(folder)])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fn_jobs", "is not PKG.MOD:NAME; write the module and the function, such as jobs:thumbnail"),
        ("fn_nothing:f", "no module named fn_nothing in {folder}; run from its folder or set PYTHONPATH"),
        ("fn_pkg.nothing:f", "no module named fn_pkg.nothing in {folder}; run from its folder"),
        ("fn_jobs.py:double", "no module named fn_jobs.py in {folder}; write fn_jobs, without .py"),
        ("fn_jobs:doubel", "fn_jobs has no doubel; did you mean fn_jobs:double?"),
        ("fn_jobs:CONSTANT", "fn_jobs:CONSTANT is int, not a function; name one"),
        ("fn_jobs:Thing", "fn_jobs:Thing is a class; name a function"),
        ("fn_jobs:stream", "fn_jobs:stream is a generator; name a function"),
        ("fn_jobs:astream", "fn_jobs:astream is a generator; name a function"),
        ("fn_jobs:pair", "fn_jobs:pair(a, b) cannot be called with one input (missing a required argument"),
    ],
)
def test_what_cannot_be_called_is_refused_with_a_remedy(folder: Path, name: str, says: str) -> None:
    with pytest.raises(FunctionError) as refused:
        load(name, [str(folder)])
    assert says.format(folder=folder) in str(refused.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "import fn_absent",
            "fails to import: ModuleNotFoundError: No module named 'fn_absent' ({file}, line 1)",
        ),
        ("x = 1\ndef f(:", "fails to import: SyntaxError: invalid syntax ({file}, line 2)"),
        ("import sys\n\nsys.exit(3)", "fails to import: SystemExit: 3 ({file}, line 3)"),
        ("import json\njson.loads('{')", "JSONDecodeError: Expecting property name"),
    ],
)
def test_a_module_that_fails_to_import_is_told_with_its_own_error_and_line(
    folder: Path, source: str, says: str
) -> None:
    file = folder / "fn_broken.py"
    file.write_text(source)
    with pytest.raises(FunctionError) as refused:
        load("fn_broken:f", [str(folder)])
    message = str(refused.value)
    assert says.format(file=file) in message
    assert f"({file}, line " in message
    assert "\n" not in message


@pytest.mark.parametrize("neighbour", ["redis.py", "worker/__init__.py"])
def test_a_module_that_another_hides_is_refused_by_name(folder: Path, neighbour: str) -> None:
    path = folder / neighbour
    path.parent.mkdir(exist_ok=True)
    path.write_text("def f(x): return x")
    name = neighbour.partition("/")[0].removesuffix(".py")
    with pytest.raises(FunctionError, match=f"is hidden by .*, which has the same name {name}; rename yours"):
        load(f"{name}:f", [str(folder)])
    (folder / "fn_user.py").write_text(f"import {name}\ndef f(x): return x")
    with pytest.raises(FunctionError, match=f"is hidden by .*, which has the same name {name}; rename yours"):
        load("fn_user:f", [str(folder)])


def test_a_folder_of_no_package_hides_nothing_and_is_hidden_by_nothing(folder: Path) -> None:
    (folder / "redis").mkdir()
    (folder / "redis" / "redis.conf").write_text("port 0")
    (folder / "fn_redis.py").write_text("import redis\ndef f(x): return redis.__name__")
    assert load("fn_redis:f", [str(folder)]).call(1) == "redis"


@pytest.fixture
def allow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets BREAKEVEN_FUNCTIONS, as the environment of a worker has it."""

    def set_(names: str) -> None:
        monkeypatch.setenv("BREAKEVEN_FUNCTIONS", names)
        monkeypatch.setenv("BREAKEVEN_FUNCTION_PATH", str(folder))
        for cached in (settings, functions.allowed, functions.descriptions):
            cached.cache_clear()

    yield set_
    for cached in (settings, functions.allowed, functions.descriptions):
        cached.cache_clear()


def test_a_task_calls_only_what_is_allowed_and_nothing_by_default(allow: Callable[[str], None]) -> None:
    allow("fn_jobs:double, fn_jobs:leave")
    assert execute(Task(1, "function", "fn_jobs:double", 4)).output == 8  # type: ignore[arg-type]
    for name in ("fn_jobs:optional", "os:system", "fn_jobs"):
        failure = execute(Task(1, "function", name, 4)).failure  # type: ignore[arg-type]
        assert failure is not None
        assert failure.type == "UnknownKernelError"
    allow("")
    assert execute(Task(1, "function", "fn_jobs:double", 4)).failure is not None  # type: ignore[arg-type]


def test_a_function_that_leaves_the_program_fails_its_task_alone(allow: Callable[[str], None]) -> None:
    allow("fn_jobs:leave")
    failure = execute(Task(1, "function", "fn_jobs:leave", 4)).failure  # type: ignore[arg-type]
    assert failure is not None
    assert (failure.type, failure.message) == ("SystemExit", "4")


def test_a_worker_describes_each_allowed_function_or_why_it_cannot_call_it(
    allow: Callable[[str], None], folder: Path
) -> None:
    allow("fn_jobs:double,fn_jobs:nothing")
    able, unable = functions.descriptions()
    assert able == {
        "name": "fn_jobs:double",
        "version": load("fn_jobs:double", [str(folder)]).version,
        "error": None,
    }
    assert unable["version"] is None
    assert "fn_jobs has no nothing" in str(unable["error"])
