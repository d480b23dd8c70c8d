"""Is everything there that a run needs, and what to do where it is not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from orchestrator.errors import BreakevenError
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.external import external_fleet, safe_url
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.processes import Processes
from orchestrator.machine import environment
from orchestrator.preflight import preflight
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: `passed` is `None` for what is neither good nor bad."""

    what: str
    passed: bool | None
    found: str
    remedy: str | None = None


def diagnose(broker: str | None) -> Iterator[Check]:
    """Check after check, as each is made. With no broker an embedded fleet of one worker is tried."""
    yield from _machine()
    try:
        with ExitStack() as stack:
            if broker is None:
                processes = stack.enter_context(Processes())
                fleet = stack.enter_context(embedded_fleet(processes, 1, events=False, origins=()))
                where = "embedded"
            else:
                fleet = stack.enter_context(external_fleet(Settings(broker_url=broker)))
                where = safe_url(broker)
            yield from _fleet(fleet, where)
    except BreakevenError as error:
        what, _, remedy = str(error).partition("; ")
        yield Check("fleet", False, what, remedy or None)


def _machine() -> Iterator[Check]:
    here = environment(None, ())
    yield Check("python", sys.version_info >= (3, 11), platform.python_version(), None)
    cpu = here.cpu
    few = "one processor: threads, processes and workers will only take turns" if cpu.usable < 2 else None
    yield Check(
        "processors", None if few else True, f"{cpu.usable} of {cpu.logical}, {cpu.model or 'unknown'}", few
    )
    load = os.getloadavg()[0]
    busy = (
        "other work on this machine will blur the figures; wait until it is done"
        if load > cpu.usable / 2
        else None
    )
    yield Check("load", None if busy else True, f"{load:.2f} over the last minute", busy)
    packages = ", ".join(f"{name} {version}" for name, version in here.packages.items())
    yield Check("packages", True, packages)


def _fleet(fleet: Fleet, where: str) -> Iterator[Check]:
    yield Check("broker", True, f"{fleet.broker.name} {fleet.broker.version}, {where}, never evicts")
    fleet.synchronise()
    for member in fleet.members:
        offset = member.offset
        clock = (
            "clock unknown"
            if offset is None
            else f"clock {offset.offset_s:+.6f} s within {offset.bound_s:.6f} s"
        )
        yield Check(
            f"worker {member.name}",
            offset is not None,
            f"{member.slots} slots, {member.usable_cpus} processors, Python {member.python}, {clock}",
            None if offset else "it answers no clock question; restart it",
        )
    ahead = preflight(fleet)
    if ahead.noop_task_s is not None and ahead.broker_rtt_s is not None:
        found = f"{ahead.noop_task_s * 1e3:.2f} ms end to end, {ahead.broker_rtt_s * 1e3:.3f} ms to the broker and back"
        yield Check("empty task", True, found)
