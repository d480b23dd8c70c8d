"""Pictures of every format and mode, and faults in them: cuts, flipped bits, false sizes, parts of other files."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

WIDTH, HEIGHT = 31, 20
COLOURS = np.random.default_rng(0).integers(
    0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8
)  # noise: every byte matters


def _in_mode(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray((COLOURS[..., 0].astype(np.uint16) << 8) + COLOURS[..., 1])
    image = Image.fromarray(COLOURS).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(COLOURS[..., 2]))
    return image


def encoded(form: str, mode: str, **options: Any) -> bytes:
    """The picture in a file format."""
    file = io.BytesIO()
    _in_mode(mode).save(file, form, **options)
    return file.getvalue()


def rle_bmp() -> bytes:
    """A BMP whose rows are run-length encoded: Pillow unpacks them in Python, and writes none."""
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    rows = b"".join(bytes((WIDTH, y)) + b"\x00\x00" for y in range(HEIGHT)) + b"\x00\x01"
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(rows), 0, 0, 256, 0)
    offset = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + head + palette + rows


SECOND = [Image.new("P", (WIDTH, HEIGHT), 7)]
WHOLE: dict[str, bytes] = {
    "jpeg": encoded("JPEG", "RGB"),
    "jpeg progressive": encoded("JPEG", "RGB", progressive=True),
    "jpeg gray": encoded("JPEG", "L"),
    "jpeg cmyk": encoded("JPEG", "CMYK"),
    "jpeg with exif": encoded(
        "JPEG", "RGB", exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x1a\1\5\0\1\0\0\0\x1a\0\0\0", dpi=(72, 72)
    ),
    "jpeg of two pictures": encoded("MPO", "RGB", save_all=True, append_images=[Image.fromarray(COLOURS)]),
    "png": encoded("PNG", "RGB"),
    "png alpha": encoded("PNG", "RGBA"),
    "png gray": encoded("PNG", "L"),
    "png gray alpha": encoded("PNG", "LA"),
    "png 16 bits": encoded("PNG", "I;16"),
    "png 1 bit": encoded("PNG", "1"),
    "png palette": encoded("PNG", "P"),
    "png palette transparent": encoded("PNG", "P", transparency=3),
    "png animated": encoded("PNG", "RGB", save_all=True, append_images=[Image.fromarray(COLOURS[::-1])]),
    "gif": encoded("GIF", "P"),
    "gif transparent": encoded("GIF", "P", transparency=3),
    "gif animated": encoded("GIF", "P", save_all=True, append_images=SECOND),
    "bmp": encoded("BMP", "RGB"),
    "bmp alpha": encoded("BMP", "RGBA"),
    "bmp palette": encoded("BMP", "P"),
    "bmp 1 bit": encoded("BMP", "1"),
    "bmp run-length": rle_bmp(),
    "webp": encoded("WEBP", "RGB"),
    "webp alpha lossless": encoded("WEBP", "RGBA", lossless=True),
    "webp animated": encoded("WEBP", "RGB", save_all=True, append_images=[Image.fromarray(COLOURS[::-1])]),
}
# Formats that Pillow can decode, and the stage does not accept.
FOREIGN = {
    form.lower(): encoded(form, "RGB") for form in ("TIFF", "PPM", "ICO", "TGA", "PCX", "SGI", "EPS", "PDF")
}


@st.composite
def corrupt_pictures(draw: st.DrawFn) -> bytes:
    """Draw a picture with a few faults, from one bit to another file's head."""
    content = bytearray(draw(st.sampled_from(list({**WHOLE, **FOREIGN}.values()))))
    for _ in range(draw(st.integers(1, 4))):
        content = draw(st.sampled_from(FAULTS))(draw, content)
    return bytes(content)


def _offset(draw: st.DrawFn, content: bytearray) -> int:
    """An offset in the file: in its head, which describes it, as often as anywhere."""
    last = max(0, len(content) - 1)
    return draw(st.one_of(st.integers(0, min(last, 64)), st.integers(0, last)))


def _flip(draw: st.DrawFn, content: bytearray) -> bytearray:
    if content:
        content[_offset(draw, content)] ^= 1 << draw(st.integers(0, 7))
    return content


def _overwrite(draw: st.DrawFn, content: bytearray) -> bytearray:
    """Overwrite up to eight bytes, often with extreme sizes, counts and offsets."""
    at = _offset(draw, content)
    extreme = st.sampled_from(
        [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\x80", b"\xff\xff", b"\0\1"]
    )
    some = draw(st.one_of(extreme, st.binary(min_size=1, max_size=8)))
    content[at : at + len(some)] = some
    return content


def _cut(draw: st.DrawFn, content: bytearray) -> bytearray:
    return content[: draw(st.integers(0, len(content)))]


def _drop(draw: st.DrawFn, content: bytearray) -> bytearray:
    at = _offset(draw, content)
    del content[at : at + draw(st.integers(1, 40))]
    return content


def _repeat(draw: st.DrawFn, content: bytearray) -> bytearray:
    at = _offset(draw, content)
    part = content[at : at + draw(st.integers(1, 200))]
    return content[:at] + part * draw(st.integers(2, 20)) + content[at:]


def _graft(draw: st.DrawFn, content: bytearray) -> bytearray:
    """Join the head of one file and the rest of another."""
    other = draw(st.sampled_from(list(WHOLE.values())))
    return content[: _offset(draw, content)] + other[draw(st.integers(0, len(other))) :]


def _append(draw: st.DrawFn, content: bytearray) -> bytearray:
    return content + draw(st.binary(min_size=1, max_size=64))


def _claim(draw: st.DrawFn, content: bytearray) -> bytearray:
    """Claim another size, with a matching checksum."""
    side = st.one_of(
        st.integers(0, 70_000), st.sampled_from([0, 1, 16_383, 16_384, 65_535, 1 << 24, (1 << 31) - 1])
    )
    return bytearray(claiming(bytes(content), draw(side), draw(side)))


FAULTS = (_flip, _flip, _overwrite, _overwrite, _cut, _drop, _repeat, _graft, _append, _claim)


def claiming(content: bytes, width: int, height: int) -> bytes:
    """Return the file with a head that claims `width` x `height`, as far as its format allows."""
    if content.startswith(b"\x89PNG"):
        head = b"IHDR" + struct.pack(">II", width & 0xFFFFFFFF, height & 0xFFFFFFFF) + content[24:29]
        return content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]
    if content.startswith(b"GIF"):
        return content[:6] + struct.pack("<HH", width & 0xFFFF, height & 0xFFFF) + content[10:]
    if content.startswith(b"BM"):
        return content[:18] + struct.pack("<II", width & 0xFFFFFFFF, height & 0xFFFFFFFF) + content[26:]
    if content.startswith(b"\xff\xd8"):
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            at = content.find(marker)
            if at >= 0:
                return (
                    content[: at + 5]
                    + struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
                    + content[at + 9 :]
                )
    if content[12:16] == b"VP8X":
        sides = (((side - 1) & 0xFFFFFF).to_bytes(3, "little") for side in (width, height))
        return content[:24] + b"".join(sides) + content[30:]
    if content[12:16] == b"VP8 ":
        return content[:26] + struct.pack("<HH", width & 0x3FFF, height & 0x3FFF) + content[30:]
    return content


def bad_pictures() -> list[bytes]:
    """Return about a hundred broken pictures, always the same ones, and every whole one."""
    pictures = [b"", b"x", b"<html>404</html>", *FOREIGN.values()]
    for number, content in enumerate(WHOLE.values()):
        broken = bytearray(content)
        broken[len(broken) // 2 + number] ^= 0xFF
        pictures += [content, content[: len(content) // 2], bytes(broken), claiming(content, 65_535, 65_535)]
    return pictures
