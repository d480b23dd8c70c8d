"""`python -m worker`: a Celery worker as Breakeven wants it.

Whatever stands after it goes to `celery worker`, and wins over what stands here: `python -m worker --concurrency 2`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from worker.app import app
from worker.liveness import show_heartbeats
from worker.naming import node_name
from worker.settings import settings

DEFAULTS = (
    "--pool",
    "prefork",
    "--loglevel",
    "WARNING",
    "--without-gossip",
    "--without-mingle",
    "--task-events",
)
"""As in the embedded fleet, but with the events that Flower shows; a run may switch those off."""


def command(arguments: Sequence[str]) -> list[str]:
    """The arguments of `celery`: one slot, and a name that tells where it is, unless `arguments` say otherwise."""
    parser = argparse.ArgumentParser(prog="python -m worker", add_help=False, allow_abbrev=False)
    parser.add_argument("--concurrency", "-c", type=int, default=1)
    slots = parser.parse_known_args(arguments)[0].concurrency
    return [
        "--quiet",
        "worker",
        "--hostname",
        node_name(slots),
        "--concurrency",
        str(slots),
        *DEFAULTS,
        *arguments,
    ]


def main() -> None:
    """Serve until SIGTERM, which lets the tasks in hand be finished."""
    if (file := settings().alive_file) is not None:
        show_heartbeats(Path(file))
    app.worker_main(command(sys.argv[1:]))


if __name__ == "__main__":
    main()
