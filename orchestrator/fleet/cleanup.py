"""Clears away what a run has left on a broker of somebody else's, when its orchestrator was killed.

This file is a program, `python -m orchestrator.fleet.cleanup RUN_ID`, that the guardian runs. The broker's
address is in the environment, where other users do not see it.
"""

from __future__ import annotations

import sys
import time

from orchestrator.fleet import workers
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.run_lock import release_of
from orchestrator.model.environment import Broker
from worker.app import make_app
from worker.settings import read_settings

FIND_S = 2.0

DONE_S = 10.0
"""How long tasks that workers have begun may take; what they store after that expires by itself."""


def main(run_id: str) -> None:
    """Take back what waits, have the workers let the queue go, wait for what they have begun, and delete the rest."""
    settings = read_settings()
    app = make_app(settings)
    fleet = Fleet(app, settings, Broker("", "", embedded=False), workers.find(app, FIND_S), run_id=run_id)
    fleet.run_queue.purge()
    fleet.cancel_consumers()
    deadline = time.monotonic() + DONE_S
    while fleet.run_queue.snapshot().fetched and time.monotonic() < deadline:
        time.sleep(0.1)
    fleet.close()
    release_of(settings, run_id)


if __name__ == "__main__":
    main(sys.argv[1])
