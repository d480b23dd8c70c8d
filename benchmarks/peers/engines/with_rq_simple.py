"""RQ with its `SimpleWorker`, which does not fork, so that a job's fault reaches its worker."""

from __future__ import annotations

from with_rq import COMMANDS as FORKING
from with_rq import noops, spins

__all__ = ["COMMANDS", "SETTINGS", "noops", "spins"]

SETTINGS = "2 workers of class `SimpleWorker`, which do not fork"
COMMANDS = [[*command, "--worker-class", "rq.worker.SimpleWorker"] for command in FORKING]
