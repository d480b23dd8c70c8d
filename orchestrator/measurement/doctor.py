"""Checks that everything a run needs is there, each with a remedy if it is not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from orchestrator.errors import BreakevenError
from orchestrator.fleet import flower
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import embedded_fleet
from orchestrator.fleet.external import external_fleet, settings_for
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.workers import find_others, payload_store_faults
from orchestrator.measurement.machine import environment
from orchestrator.measurement.preflight import preflight
from orchestrator.model.environment import Broker
from orchestrator.phrases.numbers import count
from worker.redaction import mask_credentials


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `passed` is `None` for a note, which is neither good nor bad."""

    what: str
    passed: bool | None
    found: str
    remedy: str | None = None


def run_checks(broker: str | None, flower_url: str, flower_link: str | None = None) -> Iterator[Check]:
    """Yield each check as it is made; without a broker, on an embedded fleet of one worker."""
    flower.check_url(flower_url)
    if flower_link is not None:
        flower.check_url(flower_link, "--flower-link")
    yield from _machine()
    try:
        with ExitStack() as stack:
            if broker is None:
                processes = stack.enter_context(ChildProcesses())
                fleet = stack.enter_context(embedded_fleet(processes, 1, events=False, origins=()))
                where = "embedded"
            else:
                fleet = stack.enter_context(external_fleet(settings_for(broker)))
                where = mask_credentials(broker)
            yield from _fleet(fleet, where)
    except BreakevenError as error:
        what, _, remedy = str(error).partition("; ")
        yield Check("fleet", False, what, remedy or None)
    yield _flower(flower_url, flower_link or flower_url)


def _machine() -> Iterator[Check]:
    here = environment()
    yield Check("python", sys.version_info >= (3, 11), platform.python_version(), None)
    cpu = here.cpu
    few = "with one processor, threads, processes and workers take turns" if cpu.usable < 2 else None
    yield Check(
        "processors", None if few else True, f"{cpu.usable:g} of {cpu.logical}, {cpu.model or 'unknown'}", few
    )
    load, busy = os.getloadavg()[0], None
    if load > cpu.usable / 2:
        busy = "other work on this machine disturbs the figures; wait until it is done"
    yield Check("load", None if busy else True, f"{load:.2f} over the last minute", busy)
    yield Check("packages", True, ", ".join(f"{name} {version}" for name, version in here.packages.items()))


def _fleet(fleet: Fleet, where: str) -> Iterator[Check]:
    yield _server("broker", fleet.broker, where)
    if fleet.payload_store is not None:
        yield _server(
            "payload store", fleet.payload_store, mask_credentials(fleet.settings.payload_store_url)
        )
    fleet.measure_clock_offsets()
    for member in fleet.workers:
        offset, clock = member.offset, "clock unknown"
        if offset is not None:
            clock = f"clock {offset.offset_s:+.6f} s within {offset.bound_s:.6f} s"
        yield Check(
            f"worker {member.name}",
            offset is not None,
            f"{count(member.slots, 'slot')}, {member.usable_cpus:g} processors, Python {member.python}, {clock}",
            None if offset else "it does not report its clock; restart it",
        )
    others = find_others(fleet.app, fleet.workers)
    if others:
        yield Check("other workers", None, f"{count(len(others), 'other worker')}, not Breakeven's: ignored")
    yield _payloads(fleet)
    ahead = preflight(fleet)
    if ahead.noop_task_s is not None and ahead.broker_rtt_s is not None:
        found = f"{ahead.noop_task_s * 1e3:.2f} ms end to end, {ahead.broker_rtt_s * 1e3:.3f} ms to the broker and back"
        yield Check("empty task", True, found)


def _payloads(fleet: Fleet) -> Check:
    lost = payload_store_faults(fleet.app, fleet.settings, fleet.run_id, fleet.workers)
    if not lost:
        return Check("payloads", True, "every worker finds what is put into the payload store")
    found = ", ".join(f"worker {name} {why}" for name, why in lost.items())
    remedy = (
        "set BREAKEVEN_PAYLOAD_URL to the same Redis for workers and orchestrator, or use --transport inline"
    )
    return Check("payloads", False, found, remedy)


def _server(what: str, server: Broker, where: str) -> Check:
    found = f"{server.name} {server.version}, {where}"
    if server.evicts is None:
        remedy = "make sure that its maxmemory-policy is noeviction: any other silently loses tasks"
        return Check(what, None, f"{found}, does not report whether it evicts", remedy)
    return Check(what, True, f"{found}, never evicts")


def _flower(url: str, shown: str) -> Check:
    """No run needs Flower, so a missing one is a note."""
    if not flower.is_up(url):
        remedy = "start it with 'docker compose up flower', or see a run in it with 'run --flower'"
        return Check("flower", None, f"not up at {url}", remedy)
    if not flower.asks_for_password(url):
        remedy = "give it a password: FLOWER_BASIC_AUTH=user:password in its environment"
        return Check("flower", None, f"up at {shown}, and open to anyone who can reach it", remedy)
    return Check("flower", True, f"up at {shown}, with a password")
