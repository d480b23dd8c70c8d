"""Pipeline: a URL to (H, W) gray pixels, all three stages fused where the picture is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from worker.contract import Pixels
from worker.stages import decode, download, grayscale


def best(url: str) -> Pixels:
    """The fastest kernel of each stage, one after the other."""
    return grayscale.numpy(decode.asarray(download.kept_alive(url)))


def reference(url: str) -> Pixels:
    """The reference of each stage, one after the other."""
    return grayscale.reference(decode.reference(download.reference(url)))


KERNELS: Mapping[str, Callable[[str], Pixels]] = {"best": best}
