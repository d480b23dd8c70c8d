"""Decode: an encoded picture to (H, W, 3) uint8 pixels, RGB, C order, as Pillow's `convert("RGB")` gives."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from PIL import Image, UnidentifiedImageError

from worker.contract import Pixels

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What is decoded; told by content, never by name."""

MAX_PIXELS = 64_000_000
"""Pictures of more pixels are refused before a single one is unpacked: a small file can claim a huge size."""


class DecodeError(ValueError):
    """Bytes that are not a picture of a known format, or not a whole one."""


def getdata(encoded: bytes) -> Pixels:
    """Through a Python object for every pixel, as in the notebook; rows first, so any shape is right."""
    with _opened(encoded) as image:
        width, height = image.size
        pixels = np.array(image.convert("RGB").get_flattened_data()).reshape(height, width, 3)
        return pixels.astype(np.uint8)


def asarray(encoded: bytes) -> Pixels:
    """Through the buffer protocol: the decoder's memory is copied once and never seen by Python."""
    with _opened(encoded) as image:
        return np.asarray(image.convert("RGB"))


def reference(encoded: bytes) -> Pixels:
    """The definition: Pillow's raw RGB bytes, shaped rows first."""
    with _opened(encoded) as image:
        width, height = image.size
        return np.frombuffer(image.convert("RGB").tobytes(), dtype=np.uint8).reshape(height, width, 3)


@contextmanager
def _opened(encoded: bytes) -> Iterator[Image.Image]:
    """The picture in `encoded`; what Pillow says against it becomes a `DecodeError` with a steady message."""
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise DecodeError(f"picture of {width}x{height} is over the limit of {MAX_PIXELS} pixels")
            yield image
    except UnidentifiedImageError:
        # Pillow's own message names an address in memory, which differs from one process to the next.
        raise DecodeError(f"not a picture: {len(encoded)} bytes are none of {', '.join(FORMATS)}") from None
    except DecodeError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DecodeError(f"broken picture: {error}") from None


KERNELS: Mapping[str, Callable[[bytes], Pixels]] = {"getdata": getdata, "asarray": asarray}
