"""A session on the workers of somebody else's broker."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from orchestrator.measurement import session
from orchestrator.model.runs import Function
from orchestrator.planning.option_checks import of_function
from orchestrator.planning.options import Options
from tests.unit.measurement.test_rounds import Silent

SPIN = Function("jobs:spin", "range(10000)", 10_000, 10_000, 0.01, 0.0, 10, 10)


@pytest.mark.parametrize("slots", [11, 13])
def test_a_dry_run_counts_the_calls_on_the_slots_of_the_fleet(monkeypatch, slots):
    fleet = SimpleNamespace(slots_by_pool={"prefork": slots})
    monkeypatch.setattr(session, "inspect_broker", lambda *_, **__: None)
    monkeypatch.setattr(session, "ChildProcesses", nullcontext)
    monkeypatch.setattr(session, "_found_fleet", lambda *_: (fleet, 0.0))
    monkeypatch.setattr(session, "function_trial", lambda *_: nullcontext(SimpleNamespace(tried=SPIN)))
    options = of_function(Options(function="jobs:spin", inputs="range(10000)", broker="redis://there"))
    with session.tried(options, Silent()) as said:
        inputs = int(said.split(" rounds of ")[1].split(" inputs")[0])
    assert inputs % slots == 0
