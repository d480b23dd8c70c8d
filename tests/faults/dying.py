"""Included by a worker of a test: its slot process kills itself after it has answered, when a file exists.

A process that is killed from outside dies anywhere in its loop. This one dies when its result is stored and published,
before its worker knows. Its pipes close first, as when a process ends: Celery checks it while it still runs, and
next when it is asked.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from celery.signals import task_postrun

DIE_FILE = "DIE_WHEN_THIS_FILE_EXISTS"  # the environment variable; the process deletes the file that it names

CHECKED_S = 0.1  # seconds within which Celery checks a process whose pipes have closed


@task_postrun.connect
def _die(**_: Any) -> None:
    try:
        Path(os.environ[DIE_FILE]).unlink()
    except FileNotFoundError:
        return
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    time.sleep(CHECKED_S)
    os.kill(os.getpid(), signal.SIGKILL)
