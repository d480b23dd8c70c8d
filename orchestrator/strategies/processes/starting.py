"""How a slot process is started, and the files without a name that it shares with the orchestrator."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from orchestrator.strategies.processes import slot_program

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""One slot is one core's worth, as with workers: a numerical library's own threads would take the others' share."""


def anonymous_file(undo: ExitStack) -> int:
    """The descriptor of a file that has no name: in memory on Linux, unlinked on disk elsewhere.

    `undo` closes it.

    Raises:
        OSError: there are no descriptors left, or no room.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("breakeven-slot")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    undo.callback(os.close, descriptor)
    return descriptor


def started(*descriptors: int) -> subprocess.Popen[bytes]:
    """A new interpreter with this one's import path, in a process group that the terminal's Ctrl-C spares.

    Raises:
        OSError: there are no processes or no memory left.
    """
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
        [sys.executable, "-P", slot_program.__file__, *map(str, descriptors)],
        env={**os.environ, "PYTHONPATH": path, **ONE_THREAD},
        pass_fds=descriptors,
        process_group=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
