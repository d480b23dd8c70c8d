"""The orchestrator's side of the supervisor: child processes that cannot outlive it."""

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
from typing import IO, Any, Self

from orchestrator import signals
from orchestrator.errors import UnavailableError


class ChildProcesses:
    """Child processes under a supervisor, with a private folder for their sockets, logs and payloads.

    Used as a context: leaving it, or dying in it, ends every child and removes the folder.
    """

    def __init__(self) -> None:
        """Nothing starts before the context is entered."""
        self.folder = Path()
        self.pids: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self._orders: dict[str, dict[str, Any]] = {}
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def __enter__(self) -> Self:
        """Make the folder (mode 0700) and start the supervisor."""
        self.folder = Path(tempfile.mkdtemp(prefix="breakeven-"))
        self._supervisor = subprocess.Popen(  # noqa: S603 - our own module, by this interpreter
            [sys.executable, "-S", str(Path(__file__).with_name("supervisor.py")), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Break the line; the supervisor ends every child, removes the folder and ends itself."""
        if self._supervisor is None:
            return
        supervisor, self._supervisor = self._supervisor, None
        _close(supervisor.stdin)
        try:
            supervisor.wait(timeout=15)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
        _close(supervisor.stdout)
        shutil.rmtree(self.folder, ignore_errors=True)  # the supervisor has done so, unless it was killed

    def start(self, name: str, argv: list[str], env: dict[str, str] | None = None) -> int:
        """Start a child named `name` and give its process id; its output goes to `log(name)`.

        Raises:
            UnavailableError: the supervisor is gone, or the program cannot be started.
        """
        order = {
            "start": name,
            "argv": argv,
            # What a child keeps in files for a while goes with the folder; Celery's leaves some if it is killed.
            "env": {**os.environ, "TMPDIR": str(self.folder), **(env or {})},
            "log": str(self._log_path(name)),
        }
        self._orders[name] = order
        self._start(order)
        return self.pids[name]

    def restart(self, name: str) -> None:
        """Start a child that has ended again, just as before; `log(name)` goes on.

        Raises:
            UnavailableError: as `start`.
        """
        self._start(self._orders[name])

    def _start(self, order: dict[str, Any]) -> None:
        name = order["start"]
        self._order(order)
        deadline = time.monotonic() + 10
        while name not in self.pids and time.monotonic() < deadline:
            signals.check()
            self.poll(timeout_s=0.5)
        if name not in self.pids:
            program = order["argv"][0]
            raise UnavailableError(f"{program} could not be started: {self.log(name) or 'no answer in 10 s'}")

    def set_cleanup(self, argv: list[str], env: dict[str, str]) -> None:
        """Have the supervisor run this when this process is gone, however it went; an empty `argv` takes it back."""
        self._order({"cleanup": argv, "env": {**os.environ, **env}})

    def stop(self, name: str) -> None:
        """End one child."""
        self._order({"stop": name})

    def poll(self, timeout_s: float = 0.0) -> None:
        """Take in what the supervisor reports, waiting up to `timeout_s` for it; fills `pids` and `ended`."""
        if self._supervisor is None or self._supervisor.stdout is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._supervisor.stdout, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                return
        *lines, self._unread = (self._unread + os.read(self._supervisor.stdout.fileno(), 1 << 16)).split(
            b"\n"
        )
        for line in lines:
            self._take(json.loads(line))

    def log(self, name: str, lines: int = 5) -> str:
        """The last lines that a child wrote."""
        try:
            text = self._log_path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def _take(self, report: dict[str, Any]) -> None:
        if "started" in report:
            self.pids[report["started"]] = int(report["pid"])
            self.ended.pop(report["started"], None)
        else:
            self.ended[report["ended"]] = int(report["code"])
            self.pids.pop(report["ended"], None)

    def _order(self, order: dict[str, Any]) -> None:
        if self._supervisor is None or self._supervisor.stdin is None:
            raise UnavailableError("the supervisor of the child processes is not running")
        try:
            self._supervisor.stdin.write(json.dumps(order).encode() + b"\n")
            self._supervisor.stdin.flush()
        except BrokenPipeError:
            raise UnavailableError(
                "the supervisor of the child processes has ended; run the command again"
            ) from None

    def _log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(BrokenPipeError):
            stream.close()
