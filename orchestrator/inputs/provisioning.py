"""The inputs of one run: its image server, and the payload and expected output of every task."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from orchestrator import signals
from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.inputs import source, spin
from orchestrator.inputs.image_server import ImageServer, file_url, pace_query, synthetic_url
from orchestrator.inputs.source import Source
from orchestrator.inputs.workload import Expectation, Workload, prepare, verify
from orchestrator.model.runs import Cell, Plan, TaskFailure
from worker.allowed_origins import of_url
from worker.contract import LOST, Outcome, Task
from worker.redaction import redact_url
from worker.settings import allowing, settings

READY_S: Final = 60.0  # seconds an image server may take to start, and again for each thousand pictures
MAX_ORIGINS: Final = 1000  # all of them must fit into a variable of a process's environment


@dataclass(frozen=True, slots=True)
class Work:
    """What the inputs depend on: the size of the pictures and the latency of their server."""

    width: int
    height: int
    latency_ms: float

    @classmethod
    def of(cls, cell: Cell, plan: Plan) -> Work:
        """Return a cell's work; what the cell does not set is the plan's."""
        return cls(
            plan.width if cell.width is None else cell.width,
            plan.height if cell.height is None else cell.height,
            plan.latency_ms if cell.latency_ms is None else cell.latency_ms,
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """The batches, the origins (scheme://host:port) that they may be fetched from, and the pictures' names.

    `speeds` are the iterations a second of the kernels of `spin`, if any cell has one.
    """

    plan: Plan
    workloads: Mapping[Work, Workload]
    origins: tuple[str, ...]
    names: tuple[str, ...] = ()
    speeds: Mapping[str, float] = field(default_factory=dict)
    matches: Callable[[Expectation, Outcome], bool] = verify  # whether an outcome is as expected

    def tasks(self, cell: Cell) -> tuple[Task, ...]:
        """Return the cell's batch."""
        return self._workload(cell).tasks(cell.stage, cell.kernel)[: cell.tasks or self.plan.images]

    def expected(self, cell: Cell) -> Mapping[int, Expectation]:
        """Return the expected result of each task id."""
        return self._workload(cell).expected[cell.stage]

    def _workload(self, cell: Cell) -> Workload:
        if cell.stage != spin.STAGE:
            return self.workloads[Work.of(cell, self.plan)]
        work_s = cell.work_s or spin.DEFAULT_WORK_MS / 1000
        return spin.spin_workload(cell.kernel, work_s, self.plan.images, self.speeds)

    def named(self, failure: TaskFailure) -> TaskFailure:
        """Return a failure with its picture's file or URL in the message."""
        name = redact_url(self.names[failure.task]) if self.names else ""
        if failure.type == LOST or name in failure.message:
            return failure
        return replace(failure, message=f"{name}: {failure.message}")


def prepared_inputs(
    plan: Plan, chosen: Source, processes: ChildProcesses, broker: str | None, say: Callable[[str], None]
) -> Inputs:
    """Start the image server that the plan's source needs, and make the batches.

    `BREAKEVEN_ORIGIN_URL` names an image server that serves on demand, and `BREAKEVEN_ORIGIN_FOLDER` the directory
    whose files it serves. Where it cannot serve the source, one is started here, on an address that the workers of
    `broker` can reach.

    Raises:
        UsageError: the source is invalid.
        UnavailableError: the source gives no picture.
    """
    pictured = [cell for cell in plan.cells if cell.stage != spin.STAGE]
    works = tuple(dict.fromkeys(Work.of(cell, plan) for cell in pictured))
    workloads: dict[Work, Workload] = {}
    # What the user allows beside the source itself, such as the targets of its redirects.
    origins = list(settings().allowed_origins)
    for number, work in enumerate(works, start=1):
        of = f" {number} of {len(works)}" if len(works) > 1 else ""
        say(f"Making and fetching {plan.images} images{of}")
        urls = _on_demand_urls(plan, work, chosen)
        if urls is None:
            base = ""
            if chosen.served:
                server = ImageServer(
                    **asdict(work),
                    images=plan.images,
                    seed=plan.seed,
                    bandwidth_mbit=plan.bandwidth_mbit,
                    directory=chosen.directory,
                    host=reachable_address(broker),
                )
                base = start_image_server(processes, server, f"origin{number}")
            urls = chosen.urls(base, plan.images)
        stages = dict.fromkeys(cell.stage for cell in pictured)
        # One URL of each scheme, host and port is enough: a batch has few of them.
        origins += map(_origin_of, {"/".join(url.split("/", 3)[:3]) + "/": None for url in urls})
        if len(origins) > MAX_ORIGINS:
            raise UsageError(
                f"source {redact_url(plan.source)} has {len(origins)} origins; it may have up to {MAX_ORIGINS}"
            )
        with allowing(dict.fromkeys(origins)):
            workloads[work] = prepare(urls, stages)
    names = chosen.names(plan.images) if pictured else ()
    speeds = spin.calibrated() if len(pictured) < len(plan.cells) else {}
    return Inputs(plan, workloads, tuple(dict.fromkeys(origins)), names, speeds)


def _on_demand_urls(plan: Plan, work: Work, chosen: Source) -> tuple[str, ...] | None:
    """The batch's URLs on `BREAKEVEN_ORIGIN_URL`; `None` if it is not set or cannot serve this source."""
    base = os.environ.get("BREAKEVEN_ORIGIN_URL")
    if not base:
        return None
    pace = pace_query(work.latency_ms, plan.bandwidth_mbit)
    if chosen.kind == "origin":
        size = work.width, work.height
        return tuple(synthetic_url(base, plan.seed, size, i, pace) for i in range(plan.images))
    folder = os.environ.get("BREAKEVEN_ORIGIN_FOLDER")
    if chosen.directory is None or not folder or chosen.directory != Path(folder):
        return None
    return tuple(file_url(base, name, pace) for name in chosen.files[: plan.images])


def start_image_server(processes: ChildProcesses, server: ImageServer, name: str = "origin") -> str:
    """Start an image server as a child process; return its base URL when it is ready."""
    processes.start(name, server.command())
    deadline = time.monotonic() + READY_S * (1 + (server.images or 0) / 1000)
    while time.monotonic() < deadline and name not in processes.ended:
        signals.check()
        lines: Sequence[str] = processes.log(name).splitlines()
        if lines and lines[0].startswith("{"):
            return str(json.loads(lines[0])["url"])
        processes.poll(timeout_s=0.02)
    raise UnavailableError(f"the image server did not start: {processes.log(name) or 'no answer'}")


def reachable_address(broker: str | None) -> str:
    """Return this machine's address as the workers of `broker` see it: loopback for an embedded or local one."""
    parts = urlsplit(broker or "")
    if not parts.hostname:
        return "127.0.0.1"
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 6379, type=socket.SOCK_DGRAM)
    except OSError:
        return "127.0.0.1"
    for family, kind, protocol, _, address in found:
        # Connecting a datagram socket sends nothing: the system chooses the route, and so the address.
        with suppress(OSError), socket.socket(family, kind, protocol) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    return "127.0.0.1"


def _origin_of(url: str) -> str:
    try:
        return of_url(url)
    except ValueError as error:
        raise UsageError(
            f"source {redact_url(url)}: {error}; write it as http://HOST/PATH-WITH-{source.INDEX}"
        ) from None
