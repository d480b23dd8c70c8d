"""Decode: an encoded picture to (H, W, 3) uint8 pixels, RGB, C order, as Pillow's `convert("RGB")` gives."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from worker.contract import Pixels

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What is decoded; told by content, never by name."""

MAX_PIXELS = 64_000_000
"""Pictures of more pixels are refused before a single one is unpacked: a small file can claim a huge size."""

MAX_SCANS = 200
"""A JPEG of more scans is refused: each goes over the whole picture once more, for a few bytes. Encoders make
ten or so; one for every coefficient of every colour would be 192."""

# Pillow's own limit, too: it looks at the claim before it makes room for it, and warns of up to twice as much.
# Both at import and for good: what is set and taken back is every thread's, so it would protect none of them.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


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
        # A picture that is RGB already, as most are, would be copied by `convert`.
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


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
                raise Image.DecompressionBombError
            if image.format in ("JPEG", "MPO") and _scans(encoded, image) > MAX_SCANS:
                raise DecodeError(f"JPEG is over the limit of {MAX_SCANS} scans")
            yield image
    except UnidentifiedImageError:
        # Pillow's own message names an address in memory, which differs from one process to the next.
        raise DecodeError(f"not a picture: {len(encoded)} bytes are none of {', '.join(FORMATS)}") from None
    except DecodeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Whether Pillow warned, refused or left it to us hangs on the format and on the process's filters.
        raise DecodeError(f"picture is over the limit of {MAX_PIXELS} pixels") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DecodeError(f"broken picture: {error}") from None


def _scans(encoded: bytes, image: Image.Image) -> int:
    """How many scans a JPEG has, at most: outside its entropy-coded data a marker's bytes can occur by chance.

    In a sequential one whose first scan holds every colour nothing comes after it that is decoded, so that
    its bytes need not be gone through. Pillow stops reading right behind the head of the first scan.
    """
    colours = getattr(image, "layers", 0)
    head = b"\xff\xda" + (6 + 2 * colours).to_bytes(2, "big") + bytes((colours,))
    if not image.info.get("progressive") and isinstance(image, ImageFile.ImageFile) and image.fp is not None:
        began = image.fp.tell() - (2 * colours + 8)
        if encoded[began : began + len(head)] == head:
            return 1
    return encoded.count(b"\xff\xda")


KERNELS: Mapping[str, Callable[[bytes], Pixels]] = {"getdata": getdata, "asarray": asarray}
