"""What `python -m worker` runs: a Celery worker with Breakeven's defaults.

Arguments go to `celery worker` and override the defaults: `python -m worker --concurrency 2`.
"""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from celery.signals import heartbeat_sent

from worker.app import app
from worker.settings import settings

# As the embedded fleet starts them, but with the events that Flower shows; a run may switch those off.
DEFAULTS: Final = (
    "--pool=prefork",
    "--loglevel=WARNING",
    "--without-gossip",
    "--without-mingle",
    "--task-events",
)


def celery_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of `celery`: one slot, named after its host, unless `arguments` say otherwise."""
    parser = argparse.ArgumentParser(prog="python -m worker", add_help=False, allow_abbrev=False)
    parser.add_argument("--concurrency", "-c", type=int, default=1)
    slots = parser.parse_known_args(arguments)[0].concurrency
    name = f"--hostname={node_name(slots)}"
    return ["--quiet", "worker", name, f"--concurrency={slots}", *DEFAULTS, *arguments]


def node_name(slots: int) -> str:
    """Return this worker's name: `slot1@host`, or `slots1-4@host` with four slots."""
    return f"slot{'1' if slots == 1 else f's1-{slots}'}@{socket.gethostname()}"


def touch_on_heartbeat(file: Path) -> None:
    """Touch `file` with each heartbeat: every 2 s while this worker reaches its broker.

    To read the file's age costs next to nothing; `celery inspect ping` takes a second of processor time.
    """

    def touch(**_: Any) -> None:
        file.touch()

    heartbeat_sent.connect(touch, weak=False)


def main() -> None:
    """Serve until SIGTERM; unfinished tasks are completed first."""
    if (file := settings().alive_file) is not None:
        touch_on_heartbeat(Path(file))
    app.worker_main(celery_arguments(sys.argv[1:]))
