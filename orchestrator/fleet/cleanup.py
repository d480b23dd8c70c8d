"""Delete what a run leaves on servers and in a folder that others use too.

A run does so itself when it closes its fleet. If its orchestrator is killed, the supervisor runs this file as a
program, `python -m orchestrator.fleet.cleanup RUN_ID`. The broker's address, which may hold a password, is in the
environment, because other users of the machine can read a command line.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from orchestrator.fleet.connections import connect_app
from orchestrator.fleet.run_lock import release_lock_of
from orchestrator.fleet.run_queue import RunQueue
from worker.payloads.redis import connect
from worker.settings import Settings, read_settings

KEYS_PER_COMMAND: Final = 1000
FINISH_S: Final = 10.0  # seconds workers may take to finish tasks; what they store later expires


def delete_run(queue: RunQueue, settings: Settings, run_id: str) -> None:
    """Delete the messages that workers of this run have fetched, and every key that carries the run's name.

    Raises:
        redis.RedisError: the broker or the payload store does not answer.
    """
    queue.discard(queue.snapshot().fetched.values())
    for url in dict.fromkeys((settings.broker_url, settings.payload_store_url)):
        with connect(url, tls=settings.tls) as client:
            keys = list(client.scan_iter(match=f"*{run_id}*", count=KEYS_PER_COMMAND))
            for start in range(0, len(keys), KEYS_PER_COMMAND):
                client.unlink(*keys[start : start + KEYS_PER_COMMAND])


def delete_files(settings: Settings, run_id: str) -> None:
    """Delete the payload files of this run, whose names begin with its id; leave what cannot be deleted."""
    if settings.payload_dir is None:
        return
    with suppress(OSError):
        for path in Path(settings.payload_dir).glob(f"{run_id}[-:]*"):
            with suppress(OSError):
                path.unlink()


def main(run_id: str) -> None:
    """Empty the run's queue, have workers leave it, wait for their tasks to end, and delete the rest."""
    settings = read_settings()
    try:
        app = connect_app(settings)
        queue = RunQueue(app, settings, run_id)
        queue.purge()
        app.control.cancel_consumer(run_id)
        deadline = time.monotonic() + FINISH_S
        while queue.snapshot().fetched and time.monotonic() < deadline:
            time.sleep(0.1)
        delete_run(queue, settings, run_id)
        release_lock_of(settings, run_id)
    finally:
        delete_files(settings, run_id)  # also if the broker is gone; files do not expire


if __name__ == "__main__":
    main(sys.argv[1])
