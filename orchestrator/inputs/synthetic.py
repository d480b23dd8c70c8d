"""Synthetic photographs: pictures that compress and decode as photographs do, made from a seed and a size.

Overlapping leaves between sky and ground give edges at every scale; a fine field with a 1/f amplitude spectrum gives
texture; two smoother, weaker ones tint it, so that luminance dominates, as in photographs.

Sources: Field, "Relations between the statistics of natural images and the response properties of cortical
cells", 1987 (the spectrum); Lee, Mumford & Huang, "Occlusion models for natural images", 2001 (the leaves).
"""

from __future__ import annotations

import io
import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from orchestrator.errors import UsageError
from worker.contract import Pixels
from worker.stages.decode import MAX_PIXELS

MIN_SIDE: Final = 8  # pixels
MAX_SIDE: Final = 8192
MAX_SQUARE: Final = min(MAX_SIDE, math.isqrt(MAX_PIXELS))  # the side of the largest square picture
JPEG_QUALITY: Final = 88

LEAVES: Final = 160
TEXTURE: Final = 7.5  # contrast: with it, a JPEG takes as many bytes a pixel as that of a photograph
TINT: Final = 2.0
TINT_SCALE: Final = 8  # colour varies this many times more coarsely than brightness

_Plane: TypeAlias = NDArray[np.float32]
_Paint: TypeAlias = tuple[int, int, int, int]  # red, green, blue, and roughness: 255 is the roughest


def photograph(seed: int, index: int, width: int, height: int) -> Pixels:
    """Return the synthetic photograph `index` of the set that `seed` names.

    A pure function: the same bits in every process and thread, for the same versions of NumPy and Pillow on the same
    kind of processor. Random numbers are NumPy's `Generator(PCG64)`, seeded with all four arguments.

    Returns:
        (height, width, 3) uint8, RGB, C order.

    Raises:
        UsageError: a number is out of its range, or the picture has more pixels than `decode` takes.
    """
    check_size(width, height)
    if seed < 0 or index < 0:
        raise UsageError(f"seed {seed} and image {index} must both be 0 or more")
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, index, width, height))))
    scene = np.asarray(_scene(random, width, height), dtype=np.float32)
    pixels, roughness = np.ascontiguousarray(scene[..., :3]), scene[..., 3] / 255
    texture = TEXTURE * _one_over_f(random, width, height) * roughness
    warm, green = (TINT * _smooth(random, width, height) for _ in range(2))
    pixels[..., 0] += texture + warm
    pixels[..., 1] += texture + green
    pixels[..., 2] += texture - warm
    return np.clip(pixels, 0, 255, out=pixels).astype(np.uint8)


def encode(pixels: Pixels) -> bytes:
    """Return a JPEG of (H, W, 3) uint8 pixels with colour at half resolution, as cameras save it."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return file.getvalue()


def check_size(width: int, height: int) -> None:
    """Raise `UsageError` unless a photograph can be made and decoded in this size."""
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        raise UsageError(
            f"size {width}x{height} is out of range; each side may be {MIN_SIDE} to {MAX_SIDE} pixels"
        )
    if width * height > MAX_PIXELS:
        raise UsageError(f"size {width}x{height} is too large; a picture may have up to {MAX_PIXELS} pixels")


def _scene(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """Draw sky, hills, and leaves in front, the small ones foremost; the fourth channel is roughness."""
    image = Image.fromarray(_sky(random, width, height))
    draw = ImageDraw.Draw(image)
    for distance in (0.0, 0.5, 1.0):
        draw.polygon(_hill(random, width, height, distance), fill=_paint(random, 60, 150))
    # As many leaves for each halving of the area, as in the dead-leaves model, so that every scale looks alike.
    for radius in min(width, height) * 0.22 / np.sqrt(np.linspace(1, 200, LEAVES)):
        centre = random.uniform(0, width), random.triangular(0, height, height)
        draw.polygon(_leaf(random, centre, float(radius)), fill=_paint(random, 20, 220))
    return image.filter(ImageFilter.SMOOTH)


def _sky(random: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """A vertical gradient, brighter towards the horizon and nearly smooth."""
    top, bottom = np.array(_paint(random, 110, 170)), np.array(_paint(random, 185, 235))
    rows = np.linspace(top, bottom, height)
    rows[:, 3] = 40
    return np.ascontiguousarray(np.broadcast_to(rows[:, None, :], (height, width, 4)), dtype=np.uint8)


def _hill(random: np.random.Generator, width: int, height: int, distance: float) -> list[tuple[float, float]]:
    """The outline of a range of hills: a random walk from left to right, and the ground below."""
    walk = np.cumsum(random.standard_normal(25)) * 0.025
    ridge = height * np.clip(0.4 + 0.35 * distance + walk - walk.mean(), 0.2, 0.98)
    x = np.linspace(0, width, ridge.size)
    return [*zip(x.tolist(), ridge.tolist(), strict=True), (width, height), (0, height)]


def _leaf(
    random: np.random.Generator, centre: tuple[float, float], radius: float
) -> list[tuple[float, float]]:
    """The outline of a leaf: an ellipse, wobbling and turned."""
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    turn, stretch = random.uniform(0, math.pi), random.uniform(0.35, 1.0)
    wobble = 1 + 0.12 * random.standard_normal(angles.size)
    along, across = radius * wobble * np.cos(angles), radius * wobble * stretch * np.sin(angles)
    x = centre[0] + along * math.cos(turn) - across * math.sin(turn)
    y = centre[1] + along * math.sin(turn) + across * math.cos(turn)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _one_over_f(random: np.random.Generator, width: int, height: int) -> _Plane:
    """Return a random field whose amplitudes are one over the spatial frequency, of one contrast in every size."""
    across = np.fft.rfftfreq(width).astype(np.float32)
    down = np.fft.fftfreq(height).astype(np.float32)
    frequency = np.hypot(across[None, :], down[:, None])
    frequency[0, 0] = np.inf  # no constant part
    spectrum = np.empty(frequency.shape, dtype=np.complex64)
    spectrum.real = random.standard_normal(frequency.shape, dtype=np.float32)
    spectrum.imag = random.standard_normal(frequency.shape, dtype=np.float32)
    spectrum /= frequency
    plane: _Plane = np.fft.irfft2(spectrum, s=(height, width)).astype(np.float32, copy=False)
    plane *= math.sqrt(width * height) / math.pi
    return plane


def _smooth(random: np.random.Generator, width: int, height: int) -> _Plane:
    """Return such a field of coarser resolution, enlarged."""
    coarse = _one_over_f(random, -(-width // TINT_SCALE) + 1, -(-height // TINT_SCALE) + 1)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))


def _paint(random: np.random.Generator, darkest: int, brightest: int) -> _Paint:
    """A surface: some brightness, a little colour, some roughness."""
    brightness = random.integers(darkest, brightest + 1)
    warm, green = random.normal(0, (15, 9))
    red, middle, blue = np.clip((brightness + warm, brightness + green, brightness - warm), 0, 255)
    return int(red), int(middle), int(blue), int(random.integers(30, 256))
