"""The supervisor: a small process that starts a fleet's child processes and ends them, whatever happens.

It stands between the orchestrator and its broker, workers and servers, in a session of its own, so that
Ctrl-C reaches none of them. Its standard input is a line to the orchestrator: each line is an order, and
when the orchestrator dies, however it dies, the line breaks and everything ends. Every child is in its
own process group, and on Linux the kernel ends it if the supervisor itself is killed.

Orders, one JSON object a line:

    {"start": NAME, "argv": [...], "env": {...}, "log": PATH}    start a child; answered by its process id
    {"stop": NAME}                                               end one child: SIGTERM, then SIGKILL
    {"cleanup": [...], "env": {...}}                            run this when the line breaks; [] for nothing

Reports, one JSON object a line: `{"started": NAME, "pid": PID}`, `{"ended": NAME, "code": CODE}`.
The only argument is a folder to remove at the end.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

GRACE_S = 1.0
CLEANUP_S = 30.0
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve orders until the line to the orchestrator breaks; then end every child and remove the folder."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    children: dict[str, subprocess.Popen[bytes]] = {}
    cleanup: dict[str, Any] = {}
    try:
        run(children, cleanup)
    finally:
        run_cleanup(cleanup)
        end_all(children)
        for folder in sys.argv[1:]:
            shutil.rmtree(folder, ignore_errors=True)


def run(children: dict[str, subprocess.Popen[bytes]], cleanup: dict[str, Any]) -> None:
    """Read orders and report children that end, until end of file."""
    os.set_blocking(0, False)
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=0.2):
                data = os.read(0, 1 << 16)
                if not data:
                    return
                *orders, line = (line + data).split(b"\n")
                for order in orders:
                    handle(json.loads(order), children, cleanup)
            report_ended(children)


def handle(
    order: dict[str, Any], children: dict[str, subprocess.Popen[bytes]], cleanup: dict[str, Any]
) -> None:
    """Start or stop one child, or remember what is to be run in the end."""
    if "cleanup" in order:
        cleanup.update(order)
    elif "start" in order:
        with Path(order["log"]).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - the orchestrator's own command line, given as a list
                order["argv"],
                env=order["env"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        children[order["start"]] = child
        report({"started": order["start"], "pid": child.pid})
    elif order["stop"] in children:
        end([children[order["stop"]]])


def run_cleanup(cleanup: dict[str, Any]) -> None:
    """Run what clears away at a server of somebody else's; what hangs there must not keep us."""
    if cleanup.get("cleanup"):
        quiet = subprocess.DEVNULL
        try:
            child = subprocess.Popen(  # noqa: S603 - the orchestrator's own command line, given as a list
                cleanup["cleanup"], env=cleanup["env"], stdin=quiet, stdout=quiet, stderr=quiet
            )
        except OSError:
            return
        try:
            child.wait(CLEANUP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def report_ended(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Tell of children that have ended by themselves or on order."""
    for name in [name for name, child in children.items() if child.poll() is not None]:
        child = children.pop(name)
        _kill_group(child, signal.SIGKILL)
        report({"ended": name, "code": child.returncode})


def end_all(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """End what was started, the last first: workers while their broker still answers."""
    broker = [child for name, child in children.items() if name == "broker"]
    end([child for name, child in reversed(children.items()) if name != "broker"])
    end(broker)


def end(children: list[subprocess.Popen[bytes]]) -> None:
    """SIGTERM, a while to obey, then SIGKILL to the whole process group."""
    for child in children:
        _kill_group(child, signal.SIGTERM, group=False)
    deadline = time.monotonic() + GRACE_S
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill_group(child, signal.SIGKILL)
            child.wait()
        _kill_group(child, signal.SIGKILL)


def report(report: dict[str, Any]) -> None:
    """One line to the orchestrator; it may be gone."""
    try:
        os.write(1, json.dumps(report).encode() + b"\n")
    except BrokenPipeError:
        return


def _kill_group(child: subprocess.Popen[bytes], number: int, group: bool = True) -> None:
    try:
        if group:
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)
    except (ProcessLookupError, PermissionError):
        return


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
