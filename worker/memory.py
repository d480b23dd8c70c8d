"""The allocator, set alike in every process that does work, so that none is compared on other terms."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEPT_BYTES = 256 << 20
LARGE_BYTES = 32 << 20


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
