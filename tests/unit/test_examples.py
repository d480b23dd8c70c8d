"""The example functions are of the kinds that they say, and all of them can be measured."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from orchestrator.inputs.function_inputs import read_inputs
from worker.functions import load
from worker.values import check, decode, encode, same

ROOT = str(Path(__file__).parents[2])
FUNCTIONS = ("fetch", "count_primes", "key_of", "brightness", "noise", "flaky", "poll", "thumbnail")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_example_takes_an_input_and_returns_what_can_cross_and_repeats_itself(name: str) -> None:
    function = load(f"examples.jobs:{name}", [ROOT])
    spec = "examples.jobs:pictures" if name == "brightness" else "range(1,3)"
    value = read_inputs(spec, [ROOT])[0]
    output = function.call(value)
    check(output)
    assert same(function.call(value), decode(encode(output)), 0.0)
    assert (function.coroutine is not None) == (name == "poll")


def test_one_of_them_fails_now_and_then() -> None:
    flaky = load("examples.jobs:flaky", [ROOT])
    with pytest.raises(ValueError, match="cannot take 13"):
        flaky.call(13)


def test_each_says_what_to_expect() -> None:
    assert all(inspect.getdoc(getattr(__import__("examples.jobs").jobs, name)) for name in FUNCTIONS)
