"""The inputs of one run: its source served where it must be, every task's payload and right output made."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.errors import UnavailableError
from orchestrator.fleet.processes import Processes
from orchestrator.inputs import source
from orchestrator.inputs.origin import Origin
from orchestrator.inputs.workload import Workload, prepare
from orchestrator.model import Plan

READY_S = 60.0
"""How long an origin may take to start, and as much again for every thousand pictures it has to make."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the batches are made of, and the origins (scheme://host:port) that they may be fetched from."""

    workload: Workload
    origins: tuple[str, ...]


@contextmanager
def prepared_inputs(plan: Plan, processes: Processes, say: Callable[[str], None]) -> Iterator[Inputs]:
    """Start the plan's source if it has to be served, and work out the batches.

    `BREAKEVEN_ORIGIN_URL` names an origin that runs already, where the workers cannot reach this machine's.

    Raises:
        UsageError: the source makes no sense.
        UnavailableError: the source is not there, or gives no picture.
    """
    chosen = source.parse(plan.source)
    base_url = os.environ.get("BREAKEVEN_ORIGIN_URL")
    if chosen.served and (base_url is None or chosen.kind == "directory"):
        say("Starting the origin")
        base_url = start_origin(
            processes,
            Origin(
                images=plan.images,
                width=plan.width,
                height=plan.height,
                seed=plan.seed,
                latency_ms=plan.latency_ms,
                bandwidth_mbit=plan.bandwidth_mbit,
                directory=chosen.directory,
            ),
        )
    urls = chosen.urls(base_url, plan.images)
    say(f"Fetching {len(urls)} images")
    stages = dict.fromkeys(cell.stage for cell in plan.cells)
    yield Inputs(prepare(urls, stages), tuple(dict.fromkeys(map(_origin_of, urls))))


def start_origin(processes: Processes, origin: Origin) -> str:
    """Start an origin as a child process and give its address.

    Raises:
        UnavailableError: it does not start.
    """
    # The guardian ends it, so it need not watch a standard input.
    argv = [part for part in origin.command if part != "--end-with-stdin"]
    processes.start("origin", argv)
    deadline = time.monotonic() + READY_S * (1 + (origin.images or 0) / 1000)
    while time.monotonic() < deadline and "origin" not in processes.ended:
        lines: Sequence[str] = processes.log("origin").splitlines()
        if lines and lines[0].startswith("{"):
            return str(json.loads(lines[0])["url"])
        processes.watch(timeout_s=0.02)
    raise UnavailableError(f"the origin did not start: {processes.log('origin') or 'no answer'}")


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
