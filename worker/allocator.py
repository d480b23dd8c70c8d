"""Allocator and garbage collector settings of every process that does work, so that all compare on equal terms."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Final

# From <malloc.h>
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3

KEPT_BYTES: Final = 256 << 20
LARGE_BYTES: Final = 32 << 20

# Collect when there are this many more containers than after the last collection; Python's default is 700. A 64x64
# picture as tuples of numbers has 12,288, one of 800x800 has 640,000 and so causes six collections. A much higher
# threshold would let a worker's garbage grow to hundreds of megabytes.
COLLECTION_THRESHOLD: Final = 100_000


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next picture; return whether it could be set.

    By default it returns a picture's memory to the system each time, and the page faults of getting it back took half
    the time of the fastest grayscale kernel. Source: `man 3 mallopt`.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))


def collect_rarely() -> None:
    """Reduce garbage collections during tasks, and exempt everything loaded so far from them.

    The orchestrator collects between batches only, so kernels that make lists would pay for collections in slots alone.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTION_THRESHOLD)
