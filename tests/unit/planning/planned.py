"""A plan as a command makes it: the options checked, then resolved."""

from __future__ import annotations

from orchestrator.model.runs import Plan
from orchestrator.planning.option_checks import check
from orchestrator.planning.options import Options
from orchestrator.planning.plan import resolve


def planned(options: Options, fleet_slots: int | None = None) -> Plan:
    """Check the options and return their plan."""
    return resolve(options, check(options), fleet_slots)
