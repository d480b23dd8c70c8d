"""`gate`: what its `--inputs` name for two folders, and what becomes of a verdict that cannot be saved."""

from __future__ import annotations

import pytest

from orchestrator import results
from orchestrator.commands.gate import _same_path, gate
from orchestrator.errors import UsageError
from orchestrator.measurement import gate as measurement
from tests.examples import example_run


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


def test_an_output_that_is_no_folder_is_refused_before_anything_is_measured(monkeypatch, tmp_path):
    output = tmp_path / "README.md"
    output.touch()
    monkeypatch.setattr(measurement, "take_turns", None)  # cannot be called
    with pytest.raises(UsageError, match=r"--output .*README\.md cannot be written to: .*; name another"):
        gate(tmp_path, tmp_path, "jobs:f", "range(3)", output=str(output))


def test_the_verdict_is_printed_although_no_file_can_be_written_any_more(monkeypatch, tmp_path, capsys):
    output = tmp_path / "results"
    run = example_run()

    def measured(asked, files, watcher):
        for path in files.values():
            results.write(run, path)
        output.rmdir()
        output.touch()

    monkeypatch.setattr(measurement, "take_turns", measured)
    with pytest.raises(UsageError, match="the result cannot be written to"):
        gate(tmp_path, tmp_path, "jobs:f", "range(3)", output=str(output), format_="markdown")
    assert capsys.readouterr().out.startswith("**Breakeven: ")
