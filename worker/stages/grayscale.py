"""Grayscale: (H, W, 3) uint8 to (H, W) uint8, the floor of the mean of R, G and B."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from worker.contract import Pixels

BLOCK_PAIRS: Final = (
    1 << 16
)  # pairs of pixels at a time: 0.4 MB in, 0.5 MB of room, within a core's own cache


def loop(pixels: Pixels) -> Pixels:
    """Gray pixel by pixel in Python, as in the notebook; plain integers cannot overflow as uint8 would."""
    height, width, _ = _checked(pixels).shape
    gray = np.empty((height, width), dtype=np.uint8)
    for i in range(height):
        for j in range(width):
            pixel = pixels[i][j]
            gray[i][j] = (int(pixel[0]) + int(pixel[1]) + int(pixel[2])) // 3
    return gray


def numpy(pixels: Pixels) -> Pixels:
    """Gray a whole array in 16-bit arithmetic (3 x 255 does not fit in eight), two pixels at a time."""
    gray = np.empty(_checked(pixels).shape[:2], dtype=np.uint8)
    _floor_of_mean(pixels, gray)
    return gray


def numpy_batch(batch: Sequence[Pixels]) -> Sequence[Pixels]:
    """Gray a batch of pictures of one shape, stacked to (n, H, W, 3) in blocks that fit a cache.

    A stack of the whole batch would be written to memory and read back, which costs more than the arithmetic. A picture
    that fills a block by itself is not copied.
    """
    if not batch:
        return []
    shape = batch[0].shape
    for pixels in batch:
        if _checked(pixels).shape != shape:
            raise ValueError(f"expected pictures of one shape, got {shape} and {pixels.shape}")
    grays = np.empty((len(batch), *shape[:2]), dtype=np.uint8)
    at_once = min(len(batch), BLOCK_PAIRS * 6 // max(1, batch[0].nbytes))
    if at_once <= 1:
        for pixels, gray in zip(batch, grays, strict=True):
            _floor_of_mean(pixels, gray)
    else:
        stack = np.empty((at_once, *shape), dtype=np.uint8)
        for first in range(0, len(batch), at_once):
            some = batch[first : first + at_once]
            _floor_of_mean(np.stack(some, out=stack[: len(some)]), grays[first : first + at_once])
    return list(grays)


def reference(pixels: Pixels) -> Pixels:
    """Gray by definition, in 32 bits: slow and plain, to check the others against."""
    total = _checked(pixels).astype(np.uint32).sum(axis=2)
    gray: Pixels = (total // 3).astype(np.uint8)
    return gray


def _floor_of_mean(pixels: Pixels, gray: Pixels) -> None:
    """Fill `gray`, (..., H, W) in C order, with the floors of the means of `pixels`, (..., H, W, 3).

    NumPy adds bytes that are three apart one by one, but adjacent 16-bit numbers many at once. So the picture is read
    as 16-bit words, three for two pixels, low byte first:

        R0 G0 | B0 R1 | G1 B1

    The words are copied into three rows: the first and third have two bytes of one pixel each, the second one byte of
    both. The rest is arithmetic on whole rows.
    """
    flat, levels = np.ascontiguousarray(pixels).reshape(-1), gray.reshape(-1)
    pairs = levels.size // 2
    words = flat[: 6 * pairs].view("<u2").reshape(pairs, 3)
    means = levels[: 2 * pairs].view("<u2")
    block = max(1, min(BLOCK_PAIRS, pairs))
    room = np.empty((5, block), dtype="<u2")
    for first in range(0, pairs, block):
        triples, count = words[first : first + block], min(block, pairs - first)
        sums, rest, middle = room[:2, :count], room[2:4, :count], room[4, :count]
        np.copyto(sums[0], triples[:, 0])
        np.copyto(sums[1], triples[:, 2])
        np.copyto(middle, triples[:, 1])
        np.right_shift(sums, 8, out=rest)
        sums &= 255
        sums += rest  # R0 + G0, G1 + B1
        np.bitwise_and(middle, 255, out=rest[0])
        np.right_shift(middle, 8, out=rest[1])
        sums += rest  # + B0, + R1
        sums //= 3
        sums[1] <<= 8
        np.bitwise_or(sums[0], sums[1], out=means[first : first + block])
    if levels.size % 2:
        levels[-1] = int(flat[-3:].sum(dtype=np.uint16)) // 3


def _checked(pixels: Pixels) -> Pixels:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8 pixels, got {pixels.shape} {pixels.dtype}")
    return pixels


KERNELS: Final[Mapping[str, Callable[[Pixels], Pixels]]] = {"loop": loop, "numpy": numpy}
BATCH_KERNELS: Final[Mapping[str, Callable[[Sequence[Pixels]], Sequence[Pixels]]]] = {"numpy": numpy_batch}
