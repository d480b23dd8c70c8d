"""The orchestrator's side of the supervisor: child processes that cannot outlive this process."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet import supervisor
from worker.sealed_environment import minimal, sealed

START_S: Final = 10.0  # seconds a child may take to be started
MIN_FREE_BYTES: Final = 4 << 20  # for logs, and what Celery and Pillow keep in files for a while
MAX_FOLDER_BYTES: Final = 90  # with its file's name, a socket's address has at most 104 bytes (macOS)
END_S: Final = 40.0  # seconds the supervisor may take to clean up at a broker and end all children


class ChildProcesses:
    """Child processes under a supervisor, with a private folder for their sockets, logs and payloads.

    Use it as a context: when the context ends, or this process does, every child ends and the folder is deleted.

    Attributes:
        folder: the private folder (mode 0700).
        pids: process ids of running children, by name.
        ended: exit codes of children that have ended, by name; negative for a signal.
    """

    def __init__(self) -> None:
        self.folder = self._working_folder = Path()
        self.pids: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self._commands: dict[str, dict[str, Any]] = {}
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def __enter__(self) -> Self:
        self.folder = _make_private_folder()
        # Empty, so that no child imports or reads a file of the user's.
        self._working_folder = self.folder / "work"
        self._working_folder.mkdir()
        self._supervisor = subprocess.Popen(  # noqa: S603 - our own module, by this interpreter
            [sys.executable, "-S", supervisor.__file__, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=minimal(os.environ),
            cwd=self._working_folder,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._supervisor is None:
            return
        process, self._supervisor = self._supervisor, None
        _close(process.stdin)
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _close(process.stdout)
        shutil.rmtree(self.folder, ignore_errors=True)  # the supervisor has deleted it, unless it was killed

    def start(
        self, name: str, argv: list[str], env: dict[str, str] | None = None, is_worker: bool = False
    ) -> None:
        """Start a child named `name`; its output goes to `log(name)`.

        Args:
            name: what `pids`, `ended` and `log` call it.
            argv: its command line.
            env: variables to set in its environment.
            is_worker: whether it gets the user's environment, sealed, or only what any program needs.

        Raises:
            UnavailableError: the supervisor is gone, or the program cannot be started.
        """
        base = sealed(os.environ) if is_worker else minimal(os.environ)
        self._commands[name] = {
            "start": name,
            "argv": argv,
            # A child's temporary files are deleted with the folder; Celery leaves some behind when it is killed.
            "env": {**base, "TMPDIR": str(self.folder), **(env or {})},
            "cwd": str(self._working_folder),
            "log": str(self._log_path(name)),
        }
        self.restart(name)

    def restart(self, name: str) -> None:
        """Start a child that has ended again, with the same command; it may end before this returns.

        Raises:
            UnavailableError: the supervisor is gone, or the program cannot be started.
        """
        command = self._commands[name]
        self.ended.pop(name, None)
        self._send(command)
        deadline = time.monotonic() + START_S
        while name not in self.pids | self.ended and time.monotonic() < deadline:
            signals.check()
            self.poll(timeout_s=0.5)
        if name not in self.pids | self.ended:
            reason = self.log(name) or f"no answer in {START_S:.0f} s"
            raise UnavailableError(f"{command['argv'][0]} could not be started: {reason}")

    def set_cleanup(self, argv: list[str], env: dict[str, str]) -> None:
        """Have the supervisor run `argv` when this process is gone; an empty `argv` cancels that."""
        self._send({"cleanup": argv, "env": {**sealed(os.environ), **env}})

    def stop(self, name: str) -> None:
        """End one child."""
        self._send({"stop": name})

    def poll(self, timeout_s: float = 0.0) -> None:
        """Update `pids` and `ended` from the supervisor's reports, waiting up to `timeout_s` for one."""
        if self._supervisor is None or self._supervisor.stdout is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._supervisor.stdout, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                return
        data = os.read(self._supervisor.stdout.fileno(), 1 << 16)
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            report = json.loads(line)
            if "started" in report:
                self.pids[report["started"]] = int(report["pid"])
                self.ended.pop(report["started"], None)
            else:
                self.ended[report["ended"]] = int(report["code"])
                self.pids.pop(report["ended"], None)

    def log(self, name: str, lines: int = 5) -> str:
        """Return the last lines that a child wrote."""
        try:
            text = self._log_path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def _send(self, command: dict[str, Any]) -> None:
        if self._supervisor is None or self._supervisor.stdin is None:
            raise UnavailableError("the supervisor of the child processes is not running")
        try:
            self._supervisor.stdin.write(json.dumps(command).encode() + b"\n")
            self._supervisor.stdin.flush()
        except BrokenPipeError:
            raise UnavailableError(
                "the supervisor of the child processes has ended; run the command again"
            ) from None

    def _log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def _make_private_folder() -> Path:
    """Make a folder that only this user can read, with room for logs and a name that fits a socket's address."""
    place = "the temporary folder"
    try:
        place = f"the temporary folder {tempfile.gettempdir()}"
        folder = Path(tempfile.mkdtemp(prefix="breakeven-"))
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise UnavailableError(
            f"{place} cannot be used ({error.strerror}); make room there, or name another with TMPDIR"
        ) from None
    fault = None
    if free < MIN_FREE_BYTES:
        fault = f"has no room left ({free:,} bytes); make room there, or name another with TMPDIR"
    elif len(os.fsencode(folder)) > MAX_FOLDER_BYTES:
        fault = "has too long a name for the address of a socket; name a shorter one with TMPDIR"
    if fault is not None:
        folder.rmdir()
        raise UnavailableError(f"{place} {fault}")
    return folder


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(BrokenPipeError):
            stream.close()
