"""Grayscale: (H, W, 3) uint8 to (H, W) uint8, the floor of the mean of R, G and B."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from worker.contract import Pixels


def loop(pixels: Pixels) -> Pixels:
    """Per pixel in Python, as in the notebook; plain integers, so that three channels cannot overflow uint8."""
    height, width, _ = _checked(pixels).shape
    gray = np.empty((height, width), dtype=np.uint8)
    for i in range(height):
        for j in range(width):
            pixel = pixels[i][j]
            gray[i][j] = (int(pixel[0]) + int(pixel[1]) + int(pixel[2])) // 3
    return gray


def numpy(pixels: Pixels) -> Pixels:
    """Three additions and a division over the whole picture, in 16 bits: 3 x 255 does not fit in eight."""
    _checked(pixels)
    return _floor_of_mean(pixels)


def numpy_batch(batch: Sequence[Pixels]) -> Sequence[Pixels]:
    """The same over a whole batch at once: pictures of one shape, stacked to (N, H, W, 3).

    Raises:
        ValueError: the pictures differ in shape, or one is not (H, W, 3) uint8.
    """
    for pixels in batch:
        _checked(pixels)
    return list(_floor_of_mean(np.stack(batch)))


def reference(pixels: Pixels) -> Pixels:
    """The definition, spelled out in 32 bits; slow and plain, so that the others can be held against it."""
    total = _checked(pixels).astype(np.uint32).sum(axis=2)
    gray: Pixels = (total // 3).astype(np.uint8)
    return gray


def _floor_of_mean(pixels: Pixels) -> Pixels:
    total = np.add(pixels[..., 0], pixels[..., 1], dtype=np.uint16)
    total += pixels[..., 2]
    gray = np.empty(total.shape, dtype=np.uint8)
    np.floor_divide(total, 3, out=gray, casting="unsafe")
    return gray


def _checked(pixels: Pixels) -> Pixels:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8 pixels, got {pixels.shape} {pixels.dtype}")
    return pixels


KERNELS: Mapping[str, Callable[[Pixels], Pixels]] = {"loop": loop, "numpy": numpy}
BATCH_KERNELS: Mapping[str, Callable[[Sequence[Pixels]], Sequence[Pixels]]] = {"numpy": numpy_batch}
