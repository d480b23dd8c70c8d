"""Allocator and garbage collector of every process that does work, so that none is compared on other terms.

The orchestrator, which knows where a batch begins and ends, has no collection within one (`measurement.py`).
"""

from __future__ import annotations

import ctypes
import gc
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEPT_BYTES = 256 << 20
LARGE_BYTES = 32 << 20

RARELY = 100_000
"""Containers more than at the last collection. A picture of `quick` as tuples of numbers has 12,288, one of 800x800
640,000, which meets six collections; many more at a time would let a worker's garbage grow to hundreds of megabytes."""


def keep_freed_memory() -> bool:
    """Have glibc keep memory that a kernel frees, for the next picture; whether that could be set.

    By default it gives a picture's worth back to the system each time, and the page faults of getting it
    again took half of the time of the fastest grayscale kernel. Source: `man 3 mallopt`.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))


def collect_rarely() -> None:
    """Let few garbage collections fall into a task, as none falls into a batch that the orchestrator does itself.

    Python has one each time that 700 more containers are there, which a kernel that makes lists pays for in a slot
    alone. All that is loaded by now is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(RARELY)
