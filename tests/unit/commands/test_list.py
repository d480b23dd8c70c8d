"""`list`: the options that it shows for a command give what that command does without them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from orchestrator import cli
from orchestrator.commands.list_ import list_
from orchestrator.measurement import session
from orchestrator.model.runs import Plan, Run
from orchestrator.planning.options import PROFILES
from orchestrator.planning.plan import resolve
from tests.examples import example_run


def listed(profile: str, command: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the options that are listed for a command under a profile."""
    list_()
    of_profile = re.split(r"\n  (?=\w)", capsys.readouterr().out.partition("\nprofiles")[2])
    (text,) = [each for each in of_profile if each.startswith(f"{profile} ")]
    return re.split(r"\n    (?=\w)", text.partition(f"\n    {command} ")[2])[0].split()


@pytest.fixture
def planned(monkeypatch, tmp_path):
    plans: list[Plan] = []

    @contextmanager
    def measured(options: Any, source: Any, watcher: Any, save: Any) -> Iterator[Run]:
        plans.append(replace(resolve(options, source), arguments=()))
        yield example_run()

    def plan_of(*words: str) -> Plan:
        assert cli._run([*words, "--output", str(tmp_path)]) == 0
        return plans.pop()

    monkeypatch.setattr(session, "measured", measured)
    monkeypatch.setattr(sys, "argv", ["orchestrator"])
    monkeypatch.delenv("BREAKEVEN_BROKER_URL", raising=False)
    return plan_of


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("command", ["run", "scale", "breakeven", "load"])
def test_the_listed_options_are_what_a_command_does_by_default(profile, command, planned, capsys):
    options = listed(profile, command, capsys)
    assert options
    listed_plan = planned(command, *options, "--profile", profile)
    assert comparison(listed_plan) == comparison(planned(command, "--profile", profile))


def comparison(plan: Plan) -> Plan:
    """The plan without what no option asks for: the chunks of executors, which follow --slots until --chunk sets them
    with Celery's, and the rows beside the comparison."""
    usual = [cell for cell in plan.cells if cell.style == "tuned" and cell.slots <= plan.slots]
    cells = dict.fromkeys(cell if cell.distributed else replace(cell, chunk=None) for cell in usual)
    return replace(plan, cells=tuple(cells))


@pytest.mark.parametrize("profile", PROFILES)
def test_run_lists_every_value_of_a_profile(profile, capsys):
    values = PROFILES[profile]
    words = " ".join(listed(profile, "run", capsys))
    assert f"--images {values.images} --size {values.width}x{values.height} " in words
    assert f"--rounds {values.rounds} --warmup {values.warmup} " in words
    for chunk in values.chunks:
        assert f"--chunk {chunk} " in words


def test_scale_and_breakeven_list_only_what_differs_from_run(capsys):
    assert "--warmup" not in listed("quick", "scale", capsys)
    assert "--latency-ms" not in listed("quick", "breakeven", capsys)
