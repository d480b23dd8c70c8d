"""Imports go one way: the house of DESIGN, held by a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REGISTRY = "orchestrator.strategies"  # facts alone: what it names is loaded when a run starts

# From the lowest floor up: a module may import its own floor and those below.
FLOORS = [
    ("orchestrator.errors", "orchestrator.signals", "orchestrator.model", REGISTRY),
    ("orchestrator.analysis",),
    ("orchestrator.phrases",),
    ("orchestrator.results",),
    ("orchestrator.reports",),
    ("orchestrator.fleet", "orchestrator.inputs"),
    ("orchestrator.strategies.*",),
    ("orchestrator.planning",),
    ("orchestrator.measurement",),
    ("orchestrator.commands",),
    ("orchestrator.api", "orchestrator.cli", "orchestrator.__main__"),
]


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(name: str) -> int | None:
    """The floor of a module, or of the module that a name is imported from."""
    module = name if is_module(name) else name.rpartition(".")[0]
    for number, rooms in enumerate(FLOORS):
        if any(stands_in(module, room) for room in rooms):
            return number
    return None


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def stands_in(module: str, room: str) -> bool:
    if room == REGISTRY:
        return module == room
    return f"{module}.".startswith(room.removesuffix("*").removesuffix(".") + ".")


def modules(package: str) -> list[tuple[str, Path]]:
    return [
        (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path)
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def of_the_orchestrator(path: Path) -> list[str]:
    return [module for module in imports_of(path) if module.split(".")[0] == "orchestrator"]


@pytest.mark.parametrize(("name", "path"), modules("worker"))
def test_the_worker_imports_nothing_of_the_orchestrator(name, path):
    assert of_the_orchestrator(path) == []


@pytest.mark.parametrize(("name", "path"), modules("orchestrator"))
def test_a_module_imports_its_own_floor_and_those_below(name, path):
    if name == "orchestrator":
        return
    floor = floor_of(name)
    assert floor is not None, f"{name} stands on no floor: add it to FLOORS"
    above = {module for module in imports_of(path) if (floor_of(module) or 0) > floor}
    assert above == set()


@pytest.mark.parametrize("package", ["orchestrator/analysis", "orchestrator/phrases", "orchestrator/reports"])
def test_analysis_phrases_and_reports_measure_nothing(package):
    """So a saved run can always be analysed again: no clock, no process, no network, no Celery."""
    forbidden = {
        "time",
        "subprocess",
        "socket",
        "celery",
        "kombu",
        "redis",
        "requests",
        "threading",
        "psutil",
    }
    for _, path in modules(package):
        assert {module.split(".")[0] for module in imports_of(path)} & forbidden == set(), path


@pytest.mark.parametrize("package", ["orchestrator/analysis", "orchestrator/phrases"])
def test_what_is_concluded_needs_neither_clock_nor_files(package):
    forbidden = {"datetime", "io", "os", "pathlib", "random", "sys", "time"}
    for _, path in modules(package):
        assert {module.split(".")[0] for module in imports_of(path)} & forbidden == set(), path
