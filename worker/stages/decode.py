"""Decode: an encoded picture to (H, W, 3) uint8 pixels, RGB, C order, as Pillow's `convert("RGB")` gives."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from worker.contract import Pixels

FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # recognised by content, never by name
MAX_PIXELS: Final = 64_000_000  # checked before a pixel is unpacked: a small file can claim a huge size

# Each scan of a JPEG goes over the whole picture again, for a few bytes. Encoders make about ten; one for every
# coefficient of every colour would be 192.
MAX_SCANS: Final = 200

# Pillow has a limit too: it checks the claimed size before it allocates, and warns of up to twice as much. Both are set
# at import and for good: they are shared by all threads, so setting them for one call would protect none.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class DecodeError(ValueError):
    """The bytes are not a picture of a known format, or not a whole one."""


def getdata(encoded: bytes) -> Pixels:
    """Decode through a Python object for every pixel, as in the notebook."""
    with _opened(encoded) as image:
        width, height = image.size
        pixels = np.array(image.convert("RGB").get_flattened_data()).reshape(height, width, 3)
        return pixels.astype(np.uint8)


def asarray(encoded: bytes) -> Pixels:
    """Decode through the buffer protocol: one copy, and no Python object for a pixel."""
    with _opened(encoded) as image:
        # `convert` would copy a picture that is RGB already, as most are.
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def reference(encoded: bytes) -> Pixels:
    """Decode by definition: Pillow's raw RGB bytes, shaped rows first."""
    with _opened(encoded) as image:
        width, height = image.size
        return np.frombuffer(image.convert("RGB").tobytes(), dtype=np.uint8).reshape(height, width, 3)


@contextmanager
def _opened(encoded: bytes) -> Iterator[Image.Image]:
    """Open a picture; Pillow's errors become a `DecodeError` with the same message in every process."""
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError
            if image.format in ("JPEG", "MPO") and _scans(encoded, image) > MAX_SCANS:
                raise DecodeError(f"JPEG is over the limit of {MAX_SCANS} scans")
            yield image
    except UnidentifiedImageError:
        # Pillow's own message names an address in memory, which differs between processes.
        raise DecodeError(f"not a picture: {len(encoded)} bytes are none of {', '.join(FORMATS)}") from None
    except DecodeError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Whether Pillow warns, raises or does neither depends on the format and on the process's filters.
        raise DecodeError(f"picture is over the limit of {MAX_PIXELS} pixels") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DecodeError(f"broken picture: {error}") from None


def _scans(encoded: bytes, image: Image.Image) -> int:
    """Count the scans of a JPEG, or more: a marker's bytes can occur by chance outside entropy-coded data.

    In a sequential JPEG whose first scan has every colour, nothing after that scan is decoded, so there is nothing to
    count. Pillow stops reading right behind the head of the first scan.
    """
    colours = getattr(image, "layers", 0)
    head = b"\xff\xda" + (6 + 2 * colours).to_bytes(2, "big") + bytes((colours,))
    if not image.info.get("progressive") and isinstance(image, ImageFile.ImageFile) and image.fp is not None:
        began = image.fp.tell() - (2 * colours + 8)
        if encoded[began : began + len(head)] == head:
            return 1
    return encoded.count(b"\xff\xda")


KERNELS: Final[Mapping[str, Callable[[bytes], Pixels]]] = {"getdata": getdata, "asarray": asarray}
