"""Flower beside an embedded fleet: on this machine alone, behind a password of its own, gone with the fleet."""

from __future__ import annotations

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

import requests

from orchestrator import signals
from orchestrator.errors import UnavailableError, UsageError
from orchestrator.fleet.child_processes import ChildProcesses

HOST: Final = "127.0.0.1"
PORT: Final = 5555
USUAL_URL: Final = f"http://{HOST}:{PORT}"
USER: Final = "breakeven"
CONFIGURATION: Final = Path(__file__).with_name("flowerconfig.py")
READY_S: Final = 30.0
REQUEST_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Access:
    """Where a Flower is, and whom it lets in."""

    url: str
    user: str
    password: str = field(repr=False)


def start_flower(processes: ChildProcesses, broker_url: str, workers: int) -> Access:
    """Start a Flower that ends with `processes`, and wait until it has heard of all workers.

    The password goes by the environment, which only this user's own processes can read: a command line is
    for everybody to see.

    Raises:
        UnavailableError: it does not start, or hears of fewer workers.
    """
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "flower"]
    deadline = time.monotonic() + READY_S
    known = 0
    for port in (PORT, 0):
        access = Access(f"http://{HOST}:{_free_port(port)}", USER, secrets.token_urlsafe(15))
        processes.start("flower", command, _environment(access, broker_url))
        known = _await_workers(processes, access, workers, deadline)
        if known >= workers:
            return access
        if "Address already in use" not in processes.log("flower"):
            break  # else somebody else took the port between our look at it and Flower's
    raise UnavailableError(
        f"Flower knew {known} of {workers} workers within {READY_S:.0f} s; leave --flower away, or see what it "
        f"said: {processes.log('flower') or 'nothing'}"
    )


def _await_workers(processes: ChildProcesses, access: Access, workers: int, deadline: float) -> int:
    """How many workers Flower knows once it knows them all, has ended, or has had time enough."""
    known = 0
    while known < workers and time.monotonic() < deadline and "flower" not in processes.ended:
        signals.check()
        known = _workers_online(access)
        processes.poll(timeout_s=0.1)
    return known


def _environment(access: Access, broker_url: str) -> dict[str, str]:
    """Flower's settings; those that would lead it elsewhere stand here lest the user's own for another do so."""
    return {
        "BREAKEVEN_BROKER_URL": broker_url,
        "FLOWER_CONF": str(CONFIGURATION),
        "FLOWER_ADDRESS": HOST,
        "FLOWER_PORT": str(urlsplit(access.url).port),
        "FLOWER_BASIC_AUTH": f"{access.user}:{access.password}",
        "FLOWER_AUTH": "",
        "FLOWER_UNIX_SOCKET": "",
        "FLOWER_URL_PREFIX": "",
        "FLOWER_PERSISTENT": "false",
        # These workers send events from the start, and nothing is to change them while they are measured.
        "FLOWER_ENABLE_EVENTS": "false",
        "FLOWER_READ_ONLY": "true",
    }


def _free_port(wanted: int) -> int:
    """The port that is wanted, or any other where that is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise UnavailableError(f"no port is free on {HOST}; leave --flower away")


def _workers_online(access: Access) -> int:
    """How many workers Flower has heard of, by its own metrics; 0 while it does not answer."""
    answer = _get(f"{access.url}/metrics", (access.user, access.password))
    if answer is None or answer.status_code != requests.codes.ok:
        return 0
    return len(re.findall(r"^flower_worker_online\{[^}]*\} 1\.0$", answer.text, re.MULTILINE))


def is_up(url: str) -> bool:
    """Whether a Flower answers at `url`.

    Raises:
        UsageError: that is no URL of a web server.
    """
    check_url(url)
    answer = _get(f"{url.rstrip('/')}/healthcheck")
    return answer is not None and answer.status_code == requests.codes.ok and answer.text == "OK"


def asks_for_password(url: str) -> bool:
    """Whether the Flower at `url` shows its workers to nobody without a password."""
    answer = _get(f"{url.rstrip('/')}/workers")
    return answer is None or answer.status_code != requests.codes.ok


def check_url(url: str, option: str = "--flower-url") -> None:
    """Raise `UsageError` unless `url`, which `option` gave, is that of a web server, with no password in it."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or "@" in url:
        raise UsageError(
            f"{option} {url.rpartition('@')[2]!r} is not where a Flower may be; write {USUAL_URL}"
        )


def _get(url: str, auth: tuple[str, str] | None = None) -> requests.Response | None:
    """The answer, or `None` where there is none. No proxy and no stored password comes between."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, auth=auth, timeout=REQUEST_S, allow_redirects=False)
        except requests.RequestException:
            return None
