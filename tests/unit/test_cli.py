"""The command line before any command runs: what it answers, and how it exits."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

from orchestrator import cli, interruption


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own Ctrl-C is not to be taken over."""
    monkeypatch.setattr(interruption, "install", lambda: None)


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """What the console script ends with, given these arguments."""
    monkeypatch.setattr(sys, "argv", ["orchestrator", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_version_is_told_without_a_command(monkeypatch, capsys):
    code = exit_code(monkeypatch, "--version")
    assert (code, *capsys.readouterr()) == (0, f"breakeven {version('breakeven')}\n", "")


def test_no_arguments_at_all_give_the_help(monkeypatch, capsys):
    assert exit_code(monkeypatch, "--help") == 0
    helped = capsys.readouterr()
    assert exit_code(monkeypatch) == 0
    assert capsys.readouterr() == helped
    assert helped.out.startswith("Usage: orchestrator ")


def test_options_without_a_command_ask_for_one(monkeypatch, capsys):
    assert exit_code(monkeypatch, "--") == 2
    assert capsys.readouterr().err.startswith("orchestrator: Missing command")


def test_a_command_that_is_interrupted_says_so(monkeypatch, capsys):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.results.read", interrupted)
    code = exit_code(monkeypatch, "report", "result.json")
    assert (code, *capsys.readouterr()) == (130, "", "orchestrator: interrupted\n")
