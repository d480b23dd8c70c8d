"""From Python: which functions have a name, how keywords become options, what is refused before a command starts."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import orchestrator
from orchestrator import api
from orchestrator.api import Result, name_of
from orchestrator.errors import BreakevenError, UnavailableError, UsageError
from orchestrator.inputs.function_inputs import MAX_INPUTS, read_inputs
from tests.examples import example_run


def test_a_function_of_a_module_has_a_name_and_a_builtin_too() -> None:
    assert name_of(json.dumps) == "json:dumps"


def test_a_function_that_wraps_another_has_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(x: object) -> object:
        return x

    slow.__module__, slow.__qualname__ = "jobs_of_a_test", "slow"
    module = ModuleType("jobs_of_a_test")
    module.slow = slow
    fast = functools.cache(slow)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(UsageError, match=r"wraps jobs_of_a_test\.slow and has no name there; give it one"):
        name_of(fast)
    module.fast = fast
    assert (name_of(fast), name_of(slow)) == ("jobs_of_a_test:fast", "jobs_of_a_test:slow")
    module.slow = fast  # as a decorator does
    assert name_of(fast) == "jobs_of_a_test:slow"


def test_a_function_that_others_cannot_import_is_refused_with_what_to_do() -> None:
    def inner(x: object) -> object:
        return x

    for function in (inner, lambda x: x, functools.partial(inner, 1), Path("a").joinpath):
        with pytest.raises(
            UsageError, match="cannot be imported by name; give a function at the top of a module"
        ):
            name_of(function)
    inner.__module__, inner.__qualname__ = "__main__", "inner"
    with pytest.raises(UsageError, match=r"inner was defined here, .* put it into a file, such as jobs\.py"):
        name_of(inner)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that would be run; each of them fails."""
    seen: list[list[str]] = []

    def fail(arguments: list[str], progress: bool) -> tuple[int, str]:
        seen.append(arguments)
        return 3, "no worker answered"

    monkeypatch.setattr(api, "_command", fail)
    return seen


def test_keywords_become_options_and_errors_are_those_of_the_tree(commands: list[list[str]]) -> None:
    with pytest.raises(UnavailableError, match="no worker answered"):
        api.run(
            "jobs:f",
            "range(3)",
            strategy=["serial", "celery"],
            no_verify=True,
            flower=False,
            budget=None,
            rounds=7,
        )
    with pytest.raises(UnavailableError):
        api.scale(json.dumps, "range(3)", slots=[1, 2])
    (run, scale) = commands
    assert run[:8] == ["run", "--strategy", "serial", "--strategy", "celery", "--no-verify", "--rounds", "7"]
    assert run[run.index("--function") :][:4] == ["--function", "jobs:f", "--inputs", "range(3)"]
    assert scale[:3] == ["scale", "--slots", "1,2"]
    assert "json:dumps" in scale


@pytest.mark.parametrize("rates", [[10, 20, 40], (10, 20, 40), np.array([10, 20, 40]), range(10, 50, 10)])
def test_several_rates_become_one_list_because_the_option_cannot_be_repeated(
    commands: list[list[str]], rates: Iterable[int]
) -> None:
    with pytest.raises(UnavailableError):
        api.load("jobs:f", "range(3)", rate=rates)
    assert commands[0][:3] == ["load", "--rate", ",".join(map(str, rates))]


def test_any_iterable_repeats_an_option_that_may_be(commands: list[list[str]]) -> None:
    with pytest.raises(UnavailableError):
        api.run("jobs:f", "range(3)", chunk=range(1, 3))
    assert commands[0][:5] == ["run", "--chunk", "1", "--chunk", "2"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"slotz": 2}, r"run has no option slotz \(did you mean slots\?\)"),
        ({"dry_run": True}, "run has no option dry_run"),
        ({"inputs": 3}, "inputs are int; give a list"),
        ({"inputs": [1, {2}]}, "input 2 is a set; use a sorted list"),
    ],
)
def test_nonsense_is_refused_before_a_command_starts(
    commands: list[list[str]], given: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        api.run(json.dumps, **{"inputs": [1], **given})
    assert commands == []


def test_inputs_of_every_kind_cross_to_the_command(tmp_path: Path) -> None:
    inputs = [Path("photos/a.jpg"), b"\x00", np.arange(3), {"a": (1, None)}]
    path = api._written(inputs, tmp_path)
    found = read_inputs(path, [])
    assert found[:2] == ["photos/a.jpg", b"\x00"]
    np.testing.assert_array_equal(found[2], np.arange(3))
    assert found[3] == {"a": [1, None]}


def test_endless_inputs_are_cut_where_the_command_would_cut_them(tmp_path: Path) -> None:
    assert len(read_inputs(api._written(count(), tmp_path), [])) == MAX_INPUTS


def test_a_result_shows_its_answer_as_text_and_as_html_and_can_be_saved(tmp_path: Path) -> None:
    result = Result(example_run())
    assert result.answer.text in str(result)
    assert f"<strong>{result.answer.text}</strong>" in result._repr_html_()
    assert result.cells == result.run.cells
    result.save(tmp_path / "a.json")
    result.save(tmp_path / "a.html")
    assert json.loads((tmp_path / "a.json").read_text())["id"] == result.run.id
    assert (tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(BreakevenError, match="cannot be written"):
        result.save(tmp_path / "no" / "a.html")


def test_the_package_offers_its_commands() -> None:
    assert orchestrator.run is api.run
    with pytest.raises(AttributeError):
        _ = orchestrator.nothing  # type: ignore[attr-defined]
