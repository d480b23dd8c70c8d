"""Pipeline: a URL to (H, W) gray pixels, all three stages in one task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from worker.contract import Pixels
from worker.stages import decode, download, grayscale


def best(url: str) -> Pixels:
    """Apply the fastest kernel of each stage."""
    return grayscale.numpy(decode.asarray(download.kept_alive(url)))


def reference(url: str) -> Pixels:
    """Apply the reference of each stage."""
    return grayscale.reference(decode.reference(download.reference(url)))


KERNELS: Final[Mapping[str, Callable[[str], Pixels]]] = {"best": best}
