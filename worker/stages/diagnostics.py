"""Diagnostics: tasks that do no image work, to measure messaging alone and to test faults."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Final

from worker.contract import Payload


def noop(payload: Payload) -> Payload:
    """Return the payload."""
    return payload


def sleep(payload: str) -> str:
    """Sleep for as many seconds as the payload says, then return it."""
    time.sleep(float(payload))
    return payload


def die(payload: Payload) -> Payload:
    """Kill this process, as a fault in native code would."""
    os.kill(os.getpid(), signal.SIGKILL)
    return payload


KERNELS: Final[Mapping[str, Callable[..., Payload]]] = {"noop": noop, "sleep": sleep, "die": die}
