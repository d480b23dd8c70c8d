"""The workers of an external fleet, all of them: one that is just being started is waited for until it is complete."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from celery import Celery

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.workers import WorkerInfo

COMPLETE_S = 60.0
"""How long a fleet may take from the start of its containers until all of its workers answer."""

LOOK_S = 1.0
"""How long answers are gathered. Containers are started one by one; a fleet that grows meanwhile is not complete."""


def wait_for_workers(app: Celery, patience_s: float) -> list[WorkerInfo]:
    """The workers that answer on the app's broker.

    Where `BREAKEVEN_WORKERS_AT` is a name with an address for each worker, as the name of a Compose service is,
    all of them must answer; elsewhere, those are taken that answer first.

    Args:
        app: the Celery application on the fleet's broker.
        patience_s: how long the first worker may take.

    Raises:
        UnavailableError: not all of them answer in time, or one is of another release.
    """
    name = os.environ.get("BREAKEVEN_WORKERS_AT")
    if not name:
        return workers.find(app, patience_s)
    return complete(app, lambda: addresses(name), patience_s)


def complete(
    app: Celery, started: Callable[[], int], patience_s: float, complete_s: float = COMPLETE_S
) -> list[WorkerInfo]:
    """The workers that answer, once there are as many as were `started` and no more are; none where none ever are.

    There may be more: other machines' are not counted.

    Raises:
        UnavailableError: fewer answer after `complete_s`, or one is of another release.
    """
    began = time.monotonic()
    while True:
        signals.check()
        expected = started()
        members = workers.find(app, LOOK_S)
        if members and len(members) >= expected == started():
            return members
        if time.monotonic() - began > (complete_s if expected else patience_s):
            break
    if not expected:
        return members
    raise UnavailableError(
        f"{len(members)} of {expected} workers answered within {complete_s:.0f} s; see what the others say with "
        "'docker compose logs worker', or do without them: 'docker compose up --detach --scale worker=N worker'"
    )


def addresses(name: str) -> int:
    """How many addresses a name has; none where it is not known."""
    try:
        return len({entry[4][0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except socket.gaierror:
        return 0
