"""Diagnostics: tasks that do no image work, so that only the way there and back is left to measure."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping

from worker.contract import Payload


def noop(payload: Payload) -> Payload:
    """Give back what came."""
    return payload


def sleep(payload: str) -> str:
    """Sleep for as many seconds as the payload says, then give it back."""
    time.sleep(float(payload))
    return payload


def die(payload: Payload) -> Payload:
    """Kill the process that runs it, as a fault in native code would; used to see what becomes of the task."""
    os.kill(os.getpid(), signal.SIGKILL)
    return payload


KERNELS: Mapping[str, Callable[..., Payload]] = {"noop": noop, "sleep": sleep, "die": die}
