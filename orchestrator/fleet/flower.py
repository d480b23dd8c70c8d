"""Flower beside an embedded fleet: on this machine only, with a password of its own, and ended with the fleet."""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil
import requests

from orchestrator import signals
from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses

HOST: Final = "127.0.0.1"
PORT: Final = 5555
DEFAULT_URL: Final = f"http://{HOST}:{PORT}"
USER: Final = "breakeven"
CONFIGURATION: Final = Path(__file__).with_name("flowerconfig.py")
START_S: Final = 30.0  # seconds Flower may take to know all workers
REQUEST_S: Final = 2.0  # seconds it may take to answer a request


@dataclass(frozen=True, slots=True)
class Access:
    """Where a Flower is, and the login that it accepts."""

    url: str
    user: str
    password: str = field(repr=False)


def start_flower(processes: ChildProcesses, broker_url: str, workers: int) -> Access:
    """Start a Flower that ends with `processes`, and wait until it knows all workers.

    The password is passed in the environment, because other users of the machine can read a command line.

    Raises:
        UnavailableError: it does not start, or it knows fewer workers.
    """
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "flower"]
    deadline = time.monotonic() + START_S
    known = 0
    for port in (PORT, 0):
        access = Access(f"http://{HOST}:{_free_port(port)}", USER, secrets.token_urlsafe(15))
        processes.start("flower", command, _environment(access, broker_url))
        known = _wait_for_workers(processes, access, workers, deadline)
        if known >= workers:
            return access
        if "Address already in use" not in processes.log("flower"):
            break  # otherwise another process took the port after `_free_port` found it free
    raise UnavailableError(
        f"Flower knew {known} of {workers} workers within {START_S:.0f} s; run without --flower, or see its "
        f"log: {processes.log('flower') or 'empty'}"
    )


def _wait_for_workers(processes: ChildProcesses, access: Access, workers: int, deadline: float) -> int:
    """Wait until Flower knows all workers, has ended, or the deadline is over; return how many it knows."""
    known = 0
    while known < workers and time.monotonic() < deadline and "flower" not in processes.ended:
        signals.check()
        if _listens(processes, int(urlsplit(access.url).port or 0)):  # only then may it see the password
            known = _workers_online(access)
        processes.poll(timeout_s=0.1)
    return known


def _listens(processes: ChildProcesses, port: int) -> bool:
    """Return whether our Flower listens on `port`: another user's process may have taken it to collect the password."""
    try:
        sockets = psutil.Process(processes.pids["flower"]).net_connections("tcp")
    except (KeyError, psutil.Error):
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)


def _environment(access: Access, broker_url: str) -> dict[str, str]:
    certificates = {name: value for name, value in os.environ.items() if name.startswith("BREAKEVEN_TLS_")}
    return {
        **certificates,
        "BREAKEVEN_BROKER_URL": broker_url,
        "FLOWER_CONF": str(CONFIGURATION),
        "FLOWER_ADDRESS": HOST,
        "FLOWER_PORT": str(urlsplit(access.url).port),
        "FLOWER_BASIC_AUTH": f"{access.user}:{access.password}",
        # The workers send events from the start, and must not be changed while they are measured.
        "FLOWER_ENABLE_EVENTS": "false",
        "FLOWER_READ_ONLY": "true",
    }


def _free_port(preferred: int) -> int:
    """Return the preferred port if it is free, otherwise any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise UnavailableError(f"no port is free on {HOST}; run without --flower")


def _workers_online(access: Access) -> int:
    """Return how many workers Flower knows, by its own metrics; 0 while it does not answer."""
    answer = _get(f"{access.url}/metrics", (access.user, access.password))
    if answer is None or answer.status_code != requests.codes.ok:
        return 0
    return len(re.findall(r"^flower_worker_online\{[^}]*\} 1\.0$", answer.text, re.MULTILINE))


def is_up(url: str) -> bool:
    """Return whether a Flower answers at `url`.

    Raises:
        UsageError: that is not the URL of a web server.
    """
    check_url(url)
    answer = _get(f"{url.rstrip('/')}/healthcheck")
    return answer is not None and answer.status_code == requests.codes.ok and answer.text == "OK"


def asks_for_password(url: str) -> bool:
    """Return whether the Flower at `url` asks for a password before it shows its workers."""
    answer = _get(f"{url.rstrip('/')}/workers")
    return answer is None or answer.status_code != requests.codes.ok


def check_url(url: str, option: str = "--flower-url") -> None:
    """Raise `UsageError` unless `url`, given with `option`, is the URL of a web server and holds no password."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or "@" in url:
        raise UsageError(
            f"{option} {url.rpartition('@')[2]!r} is not the URL of a Flower; write {DEFAULT_URL}, without a "
            "password"
        )


def _get(url: str, auth: tuple[str, str] | None = None) -> requests.Response | None:
    """Send a request without proxies or stored passwords; return the answer, or `None` if there is none."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, auth=auth, timeout=REQUEST_S, allow_redirects=False)
        except requests.RequestException:
            return None
