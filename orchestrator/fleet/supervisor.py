"""A small process between the orchestrator and its child processes, so that no child outlives the orchestrator.

The supervisor starts the broker, the workers and the servers. Its standard input is a pipe from the orchestrator: when
the orchestrator dies, for any reason, the pipe reaches end of file, and the supervisor ends all children. It has a
session of its own, so Ctrl-C does not reach it. Each child has a process group of its own, and on Linux the kernel
kills it if the supervisor itself is killed. docs/decisions/supervisor.md has the reasons.
"""

# Commands, one JSON object a line on standard input:
#
#     {"start": NAME, "argv": [...], "env": {...}, "cwd": PATH, "log": PATH}  start a child; answered by its process id
#     {"stop": NAME}                                             end one child: SIGTERM, then SIGKILL
#     {"cleanup": [...], "env": {...}}                           run this when the orchestrator is gone; [] for nothing
#
# Reports, one JSON object a line on standard output: {"started": NAME, "pid": PID} and {"ended": NAME, "code": CODE}.
# The only argument is a folder to delete at the end.

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

POLL_S = 0.2  # seconds between two looks at which children have ended
GRACE_S = 1.0  # seconds between SIGTERM and SIGKILL
CLEANUP_S = 30.0  # seconds the cleanup command may take
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def main() -> None:
    """Run commands until the orchestrator is gone; then clean up, end every child and delete the folder."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    children: dict[str, subprocess.Popen[bytes]] = {}
    cleanup: dict[str, Any] = {}
    try:
        run_commands(children, cleanup)
    finally:
        run_cleanup(cleanup)
        end_all(children)
        for folder in sys.argv[1:]:
            shutil.rmtree(folder, ignore_errors=True)


def run_commands(children: dict[str, subprocess.Popen[bytes]], cleanup: dict[str, Any]) -> None:
    """Run commands and report children that end, until standard input ends."""
    os.set_blocking(0, False)
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=POLL_S):
                data = os.read(0, 1 << 16)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    run_command(json.loads(line), children, cleanup)
            report_ended(children)


def run_command(
    command: dict[str, Any], children: dict[str, subprocess.Popen[bytes]], cleanup: dict[str, Any]
) -> None:
    """Start or stop one child, or remember the cleanup command."""
    if "cleanup" in command:
        cleanup.update(command)
    elif "start" in command:
        with Path(command["log"]).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - the orchestrator's own command line, given as a list
                command["argv"],
                env=command["env"],
                cwd=command["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        children[command["start"]] = child
        report({"started": command["start"], "pid": child.pid})
    elif command["stop"] in children:
        end([children[command["stop"]]])


def run_cleanup(cleanup: dict[str, Any]) -> None:
    """Run the command that cleans up on somebody else's server; kill it if it hangs."""
    if not cleanup.get("cleanup"):
        return
    null = subprocess.DEVNULL
    try:
        child = subprocess.Popen(  # noqa: S603 - the orchestrator's own command line, given as a list
            cleanup["cleanup"], env=cleanup["env"], stdin=null, stdout=null, stderr=null
        )
    except OSError:
        return
    try:
        child.wait(CLEANUP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def report_ended(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Report children that have ended, and kill what is left of their process groups."""
    for name in [name for name, child in children.items() if child.poll() is not None]:
        child = children.pop(name)
        _signal_group(child, signal.SIGKILL)
        report({"ended": name, "code": child.returncode})


def end_all(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """End all children, the last started first, and the broker after the workers that need it."""
    broker = [child for name, child in children.items() if name == "broker"]
    end([child for name, child in reversed(children.items()) if name != "broker"])
    end(broker)


def end(children: list[subprocess.Popen[bytes]]) -> None:
    """Send SIGTERM, wait, then send SIGKILL to the whole process group."""
    for child in children:
        child.terminate()
    deadline = time.monotonic() + GRACE_S
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal_group(child, signal.SIGKILL)
            child.wait()
        _signal_group(child, signal.SIGKILL)


def report(event: dict[str, Any]) -> None:
    """Write one line to the orchestrator, which may be gone."""
    try:
        os.write(1, json.dumps(event).encode() + b"\n")
    except BrokenPipeError:
        return


def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
