"""What runs in the processes of the strategy `processes`: how each starts, and the calls that it serves."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Sequence
from multiprocessing import connection, parent_process
from threading import Barrier
from typing import Any

from worker import functions
from worker.allocator import collect_rarely, keep_freed_memory
from worker.contract import Outcome, Task
from worker.execution import execute_in_pool
from worker.shared_memory import Parcel, SharedCall, execute_shared


def start(all_up: Barrier, start_s: float) -> None:
    """Prepare this process, then wait until all of its pool are up, so that the pool starts one for each slot."""
    # Ctrl-C and the end of a terminal reach every process of the group, and only the orchestrator must act on them.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    keep_freed_memory()
    collect_rarely()
    functions.descriptions()  # import what will be called
    all_up.wait(start_s)


def _end_with_the_parent() -> None:
    """End this process when the orchestrator is gone: a pool's processes outlive a parent that was killed."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def slot_name() -> str:
    """Return the name of this process as a slot."""
    return f"{socket.gethostname()}:{os.getpid()}"


def run_task(task: Task) -> Outcome:
    """Run a task that came with the call."""
    return execute_in_pool(task, slot_name())


def run_pickled(tasks: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Run a chunk whose payloads came with the call, and return the outputs with the answer.

    Tasks and outcomes cross as plain tuples of their fields: pickling our classes took half as long again.
    """
    slot = slot_name()
    ended = []
    for fields in tasks:
        outcome = execute_in_pool(Task(*fields), slot)
        ended.append((*outcome[:3], None if outcome.hops is None else tuple(outcome.hops[:2]), slot))
    return ended


def run_shared(call: SharedCall) -> tuple[list[tuple[Outcome, Parcel]], int]:
    """Run a chunk whose payloads lie in shared memory; see `execute_shared`."""
    return execute_shared(call, slot_name())
