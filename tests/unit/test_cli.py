"""The command line before any command runs: its answers and exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from orchestrator import cli, signals
from orchestrator.cli import COMMANDS
from orchestrator.planning.options import PROFILES, SWEEP_ROUNDS


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the test run's own Ctrl-C alone."""
    monkeypatch.setattr(signals, "install", lambda: None)


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run the console script and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["orchestrator", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_the_version_needs_no_command(monkeypatch, capsys):
    code = exit_code(monkeypatch, "--version")
    assert (code, *capsys.readouterr()) == (0, f"breakeven {version('breakeven')}\n", "")


def test_no_arguments_give_the_help(monkeypatch, capsys):
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


@pytest.mark.parametrize("command", ["run", "scale", "breakeven", "predict", "report", "doctor", "origin"])
def test_the_help_names_values_in_words_of_users(monkeypatch, capsys, command):
    assert exit_code(monkeypatch, command, "--help") == 0
    options = capsys.readouterr().out.partition("Options:")[2]
    assert re.findall(r"--\S+ <\S*>", options) == []


@pytest.mark.parametrize(
    ("command", "usage"), [("compare", "OLD NEW"), ("report", "RESULT"), ("predict", "RESULT")]
)
def test_the_usage_names_files_in_words_of_users(monkeypatch, capsys, command, usage):
    assert exit_code(monkeypatch, command, "--help") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: orchestrator {command} [OPTIONS] {usage}\n")
    assert "<str>" not in said


def test_the_help_shows_the_defaults_of_each_profile(monkeypatch, capsys):
    assert exit_code(monkeypatch, "run", "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    quick, notebook = PROFILES["quick"], PROFILES["notebook"]
    rounds = (
        f"{quick.rounds}; notebook: {notebook.rounds}; scale and breakeven: at most {SWEEP_ROUNDS}; "
        "--function: at most 25, as --budget allows"
    )
    shown = {
        "--images N": f"({quick.images}; notebook: {notebook.images})",
        "--size WIDTHxHEIGHT": f"({quick.width}x{quick.height})",
        "--rounds N|auto": f"({rounds})",
        "--warmup N": f"({quick.warmup})",
    }
    for option, default in shown.items():
        _, _, rest = said.partition(option)
        assert rest.partition("[default: ")[2].startswith(f"{default}]"), option
    assert "the profile's" not in said


def test_the_summary_of_every_command_is_a_whole_sentence(monkeypatch, capsys):
    assert exit_code(monkeypatch, "--help") == 0
    lines = capsys.readouterr().out.split("Commands:")[1].splitlines()
    assert len([line for line in lines if line.strip()]) == len(COMMANDS)
    assert [line for line in lines if line.strip() and not line.endswith(".")] == []
    assert not any(line.endswith("...") for line in lines)


@pytest.mark.parametrize("command", ["run", "breakeven"])
def test_several_numbers_of_slots_lead_to_scale(monkeypatch, capsys, command):
    assert exit_code(monkeypatch, command, "--slots", "1,2") == 2
    assert capsys.readouterr().err == (
        "orchestrator: --slots '1,2' is not one whole number; for several: scale --slots 1,2\n"
    )


@pytest.mark.parametrize("given", ["two", "", "1.5", "\u0663"])
def test_slots_that_are_not_a_number_are_refused(monkeypatch, capsys, given):
    assert exit_code(monkeypatch, "run", "--slots", given) == 2
    assert capsys.readouterr().err == f"orchestrator: --slots {given!r} is not one whole number\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--images", "x"], "--images 'x' is not a whole number; see 'orchestrator run --help'"),
        (["run", "--images=1.5"], "--images '1.5' is not a whole number; see 'orchestrator run --help'"),
        (
            ["run", "--chunk", "1", "--chunk", "a"],
            "--chunk 'a' is not a whole number; see 'orchestrator run --help'",
        ),
        (
            ["scale", "--latency-ms", "soon"],
            "--latency-ms 'soon' is not a number; see 'orchestrator scale --help'",
        ),
        (["compare", "one.json"], "Missing argument 'NEW'; see 'orchestrator compare --help'"),
        (["run", "--nope"], "No such option: --nope; see 'orchestrator run --help'"),
        (["nope"], "No such command 'nope'; see 'orchestrator --help'"),
    ],
)
def test_a_wrong_word_is_repeated_and_leads_to_the_help_of_the_command(monkeypatch, capsys, arguments, said):
    assert exit_code(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err == f"orchestrator: {said}\n"


def test_slots_out_of_range_are_refused_with_the_range(monkeypatch, capsys):
    assert exit_code(monkeypatch, "run", "--slots", "-1") == 2
    assert "--slots -1 is out of range; give a whole number from 1 to" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "more"),
    [(["--help"], {"pydantic"}), (["run", "--help"], set())],  # typer loads pydantic for a command's options
)
def test_the_help_loads_nothing_heavy(arguments, more):
    """So that it answers at once: no NumPy, Pillow, Celery, rich or reports."""
    show = f"import sys; from orchestrator import cli; cli._run({arguments}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", show], capture_output=True, text=True, check=True, timeout=60
    )
    heavy = {"numpy", "PIL", "celery", "kombu", "redis", "altair", "jinja2", "simpy", "psutil"} | more
    assert heavy & set(done.stdout.splitlines()[-1].split()) == set()
