"""`gate`: what its `--inputs` name for two folders."""

from __future__ import annotations

import pytest

from orchestrator.commands.gate import _same_path
from orchestrator.errors import UsageError


def test_inputs_that_are_a_path_here_are_the_same_for_both_sides_and_others_are_left_alone(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").touch()
    assert _same_path("in.jsonl") == str(tmp_path / "in.jsonl")
    assert _same_path("range(5)") == "range(5)"


@pytest.mark.parametrize("inputs", ["a" * 5000, "a\0b"])
def test_inputs_that_no_path_can_be_are_left_to_the_sides_to_refuse(inputs):
    assert _same_path(inputs) == inputs


@pytest.mark.parametrize(
    ("inputs", "says"), [("", "--inputs is empty; name a file"), ("-", "can be read once")]
)
def test_inputs_that_both_versions_cannot_read_are_refused(inputs, says):
    with pytest.raises(UsageError, match=says):
        _same_path(inputs)
