"""Embedded workers whose broker and payload store are behind links of a set speed (`shaped_link.py`)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from shaped_link import Counts, Link, shaped_link

from orchestrator.fleet import workers
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import start_broker, start_workers
from orchestrator.fleet.external import inspect_broker
from orchestrator.fleet.fleet import Fleet
from worker.app import make_app
from worker.settings import Settings

WORKERS = 4
READY_S = 30.0


class LinkedFleet(Fleet):
    """A fleet whose broker includes the link in front of it: the link's busy time counts as the broker's."""

    link: Link
    payload_link: Link
    passed = Counts(0, 0)
    """Commands that the last batch took."""

    def broker_cpu_s(self) -> float | None:
        """Return the broker's CPU time plus what its commands took in the link."""
        own_s = super().broker_cpu_s()
        return None if own_s is None else own_s + self.link.busy_s


@contextmanager
def linked_fleet() -> Iterator[LinkedFleet]:
    """Start a broker, a link in front of it, one in front of its payloads, and workers behind both."""
    with ChildProcesses() as processes:
        server = start_broker(processes).removeprefix("redis+socket://")
        with (
            shaped_link(server, processes.folder / "link.sock") as link,
            shaped_link(server, processes.folder / "payloads.sock") as payload_link,
        ):
            with patch.dict(os.environ, BREAKEVEN_PAYLOAD_URL=payload_link.url):
                start_workers(processes, link.url, [("prefork", 1)] * WORKERS, False, ())
            settings = Settings(broker_url=link.url, payload_url=payload_link.url)
            app = make_app(settings)
            deadline = time.monotonic() + READY_S
            members = workers.find(app, 0.5, WORKERS)
            while len(members) < WORKERS and time.monotonic() < deadline:
                members = workers.find(app, 0.5, WORKERS)
            if len(members) < WORKERS:
                sys.exit(f"{len(members)} of {WORKERS} workers were ready: {processes.log('worker1')}")
            fleet = LinkedFleet(app, settings, inspect_broker(settings, embedded=False), members)
            fleet.link, fleet.payload_link = link, payload_link
            # Without the workers' CPU time, all that they move would count as computed.
            fleet.child_pids = lambda name: [
                pid for each, pid in processes.pids.items() if each.startswith(name)
            ]
            fleet.measure_clock_offsets()
            try:
                yield fleet
            finally:
                link.set()
                payload_link.set()
                fleet.close()
                app.close()
