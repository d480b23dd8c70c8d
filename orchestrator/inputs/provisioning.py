"""The inputs of one run: its source served where it must be, every task's payload and right output made."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator import signals
from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.inputs import source
from orchestrator.inputs.image_server import Origin
from orchestrator.inputs.on_demand import file_url, pace_of, synthetic_url
from orchestrator.inputs.source import Source
from orchestrator.inputs.workload import Expectation, Workload, prepare
from orchestrator.model.runs import Cell, Plan
from worker.allowed_origins import of_url
from worker.contract import Task
from worker.redaction import redact
from worker.settings import allowing, settings

READY_S = 60.0
"""How long an origin may take to start, and as much again for every thousand pictures it has to make."""


MOST_ORIGINS = 1000
"""All of them must fit into a variable of a process's environment."""


@dataclass(frozen=True, slots=True)
class Work:
    """What makes a difference to the inputs: the pictures' size and the origin's latency."""

    width: int
    height: int
    latency_ms: float

    @classmethod
    def of(cls, cell: Cell, plan: Plan) -> Work:
        """A cell's own work, or the plan's where it has none of its own."""
        return cls(
            plan.width if cell.width is None else cell.width,
            plan.height if cell.height is None else cell.height,
            plan.latency_ms if cell.latency_ms is None else cell.latency_ms,
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the batches are made of, and the origins (scheme://host:port) that they may be fetched from."""

    plan: Plan
    workloads: Mapping[Work, Workload]
    origins: tuple[str, ...]

    def tasks(self, cell: Cell) -> tuple[Task, ...]:
        """The cell's batch."""
        return self.workloads[Work.of(cell, self.plan)].tasks(cell.stage, cell.kernel)

    def expected(self, cell: Cell) -> Mapping[int, Expectation]:
        """Task id to what must come of it."""
        return self.workloads[Work.of(cell, self.plan)].expected[cell.stage]


def prepared_inputs(
    plan: Plan, chosen: Source, processes: ChildProcesses, broker: str | None, say: Callable[[str], None]
) -> Inputs:
    """Start the plan's source if it has to be served, and work out the batches.

    `BREAKEVEN_ORIGIN_URL` names an origin that serves on demand, and `BREAKEVEN_ORIGIN_FOLDER` the folder that
    it has the files of. Where it cannot serve the source, an origin is started here, on an address that
    workers on `broker` can reach.

    Raises:
        UsageError: the source makes no sense.
        UnavailableError: the source gives no picture.
    """
    works = tuple(dict.fromkeys(Work.of(cell, plan) for cell in plan.cells))
    workloads: dict[Work, Workload] = {}
    # What the user allows beside the source itself, such as where its redirects lead to.
    origins = list(settings().allowed_origins)
    for number, work in enumerate(works, start=1):
        of = f" {number} of {len(works)}" if len(works) > 1 else ""
        say(f"Making and fetching {plan.images} images{of}")
        urls = _demanded(plan, work, chosen)
        if urls is None:
            origin = _origin(plan, work, chosen, reachable_address(broker))
            base = start_origin(processes, origin, f"origin{number}") if chosen.served else None
            urls = chosen.urls(base, plan.images)
        stages = dict.fromkeys(cell.stage for cell in plan.cells)
        # What stands before the path is all that makes an origin; a batch has few of them.
        origins += map(_origin_of, {"/".join(url.split("/", 3)[:3]) + "/": None for url in urls})
        if len(origins) > MOST_ORIGINS:
            raise UsageError(
                f"source {redact(plan.source)} is of {len(origins)} origins; it may be of {MOST_ORIGINS}"
            )
        with allowing(dict.fromkeys(origins)):
            workloads[work] = prepare(urls, stages)
    return Inputs(plan, workloads, tuple(dict.fromkeys(origins)))


def _demanded(plan: Plan, work: Work, chosen: Source) -> tuple[str, ...] | None:
    """The batch's URLs on the origin that serves on demand; `None` where there is none, or none for this source."""
    base = os.environ.get("BREAKEVEN_ORIGIN_URL")
    if not base:
        return None
    pace = pace_of(work.latency_ms, plan.bandwidth_mbit)
    if chosen.kind == "origin":
        size = work.width, work.height
        return tuple(synthetic_url(base, plan.seed, size, i, pace) for i in range(plan.images))
    folder = os.environ.get("BREAKEVEN_ORIGIN_FOLDER")
    if chosen.directory is None or not folder or chosen.directory != Path(folder):
        return None
    return tuple(file_url(base, name, pace) for name in chosen.files[: plan.images])


def start_origin(processes: ChildProcesses, origin: Origin, name: str = "origin") -> str:
    """Start an origin as a child process and give its address.

    Raises:
        UnavailableError: it does not start.
    """
    # The supervisor ends it, so it need not watch a standard input.
    argv = [part for part in origin.command if part != "--end-with-stdin"]
    processes.start(name, argv)
    deadline = time.monotonic() + READY_S * (1 + (origin.images or 0) / 1000)
    while time.monotonic() < deadline and name not in processes.ended:
        signals.check()
        lines: Sequence[str] = processes.log(name).splitlines()
        if lines and lines[0].startswith("{"):
            return str(json.loads(lines[0])["url"])
        processes.poll(timeout_s=0.02)
    raise UnavailableError(f"the origin did not start: {processes.log(name) or 'no answer'}")


def reachable_address(broker: str | None) -> str:
    """This machine's address as the workers on `broker` see it: loopback for an embedded or local broker."""
    parts = urlsplit(broker or "")
    if not parts.hostname:
        return "127.0.0.1"
    try:
        # Connecting a datagram socket sends nothing; it makes the system choose the way, and so the address.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((parts.hostname, parts.port or 6379))
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def _origin(plan: Plan, work: Work, chosen: Source, host: str) -> Origin:
    return Origin(
        images=plan.images,
        width=work.width,
        height=work.height,
        seed=plan.seed,
        latency_ms=work.latency_ms,
        bandwidth_mbit=plan.bandwidth_mbit,
        directory=chosen.directory,
        host=host,
    )


def _origin_of(url: str) -> str:
    try:
        return of_url(url)
    except ValueError as error:
        raise UsageError(
            f"source {redact(url)}: {error}; write it as http://HOST/PATH-WITH-{source.PLACE}"
        ) from None
