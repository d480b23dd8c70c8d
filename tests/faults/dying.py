"""Included by a worker of a test: its slot process kills itself once it has answered, when it is told to.

A process that is killed from outside dies at any moment of its loop; this one dies where the result is stored and
published, and its worker does not know yet. Its pipes close first, as they do when a process ends, so that Celery
looks after it while it is still there, and next when it is asked.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery.signals import task_postrun

TOLD_BY = "DIES_WHERE_THERE_IS"
"""The environment variable that names the file whose being there tells it to; it takes the file away."""

HAS_LOOKED_S = 0.1
"""After this long Celery has looked after a process whose pipes have closed."""


@task_postrun.connect
def _die(**_: Any) -> None:
    try:
        Path(os.environ[TOLD_BY]).unlink()
    except FileNotFoundError:
        return
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    time.sleep(HAS_LOOKED_S)
    os.kill(os.getpid(), signal.SIGKILL)
