"""How fast are our kernels, against the notebook's code, peers in C, and memory?

    python benchmarks/peers/performance_kernels.py [--quick] [--update-docs]

Eight synthetic photographs of 800x800, one thread. A sample does all eight for 50 ms; 21 rounds in a fresh
order; ratios are our paired estimates. All other outputs are compared before the clock starts.

- The notebook's expression is `((image[:, :, 0] + image[:, :, 1] + image[:, :, 2]) / 3).astype(int)`. It gets the
  same (H, W, 3) uint8 picture as ours and must widen it to int64 first, or the sum overflows. Its last step is
  `np.uint8`. Once with both sides in a plain process, once with our workers' allocator, and once on an int64 array,
  without the widening.
- Pillow's `convert("L", (1/3, 1/3, 1/3, 0))` gets a picture in Pillow's memory. OpenCV's `cvtColor` uses other weights.
- Memory speed is one NumPy copy of the first third of a picture (reads and writes 0.64 MB) and one reduction of the
  rest (reads 1.28 MB).
- Words drawn apart are the kernel's three strided copies only.
- Decoding uses the JPEGs of our image server. simplejpeg calls libjpeg-turbo with Pillow's exact DCT and upsampling, so
  that the pixels are the same.

Takes two and a half minutes, with --quick ten seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from orchestrator.inputs.synthetic import encode, photograph
from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import seconds as shown
from worker.allocator import keep_freed_memory
from worker.contract import Pixels
from worker.stages import decode, grayscale

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import parser
from benchmarks.shared.plain_process import PlainProcess
from benchmarks.shared.rows import Goal, Row, finish, progress, rounds_of
from benchmarks.shared.turns import Side, each, stopwatch, turns, typical, versus

PICTURES, SIDE = 8, 800
THIRDS = (1 / 3, 1 / 3, 1 / 3, 0)
OURS, PLAIN_OURS = "ours", "ours, plain process"
NOTEBOOK, PLAIN_NOTEBOOK, INT64 = "notebook", "notebook, plain process", "notebook, int64"


def vector_expression(image: np.ndarray) -> Pixels:
    """Return the notebook's expression, on int64, with its `np.uint8`."""
    average = ((image[:, :, 0] + image[:, :, 1] + image[:, :, 2]) / 3).astype(int)
    return average.astype(np.uint8)


def widened(pixels: Pixels) -> Pixels:
    """Return the same for a picture of bytes."""
    return vector_expression(pixels.astype(int))


def memory_speed(pixels: Pixels) -> Pixels:
    """Read every byte of the picture once, and write as many bytes as a gray one has."""
    flat = pixels.reshape(-1)
    written = np.empty(flat.size // 3, dtype=np.uint8)
    np.copyto(written, flat[: written.size])
    np.bitwise_or.reduce(flat[written.size :].view(np.uint64))
    return written


def drawn_apart(pixels: Pixels) -> Pixels:
    """Make the kernel's copies only, block by block."""
    words = pixels.reshape(-1).view("<u2").reshape(-1, 3)
    room = np.empty((3, min(grayscale.BLOCK_PAIRS, len(words))), dtype="<u2")
    for first in range(0, len(words), grayscale.BLOCK_PAIRS):
        block = words[first : first + grayscale.BLOCK_PAIRS]
        for number in range(3):
            np.copyto(room[number, : len(block)], block[:, number])
    return room


def gray_sides(stack: ExitStack, pictures: list[Pixels]) -> dict[str, Side]:
    """Return everything that makes gray pictures, and the bound."""
    as_loaded = [picture.astype(np.int64) for picture in pictures]
    in_pillow = [Image.fromarray(picture) for picture in pictures]
    plain = {PLAIN_OURS: (grayscale.numpy, pictures), PLAIN_NOTEBOOK: (widened, pictures)}
    work: dict[str, Callable[[], None]] = {
        OURS: each(grayscale.numpy, pictures),
        NOTEBOOK: each(widened, pictures),
        INT64: each(vector_expression, as_loaded),
        "pillow": each(lambda image: image.convert("L", THIRDS), in_pillow),
        "opencv": each(lambda picture: cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), pictures),
        "memory": each(memory_speed, pictures),
        "apart": each(drawn_apart, pictures),
    }
    sides = {name: stopwatch(do) for name, do in work.items()}
    for name, (function, inputs) in plain.items():
        sides[name] = stack.enter_context(PlainProcess(function, inputs)).seconds
    for picture, loaded in zip(pictures, as_loaded, strict=True):
        right = grayscale.reference(picture)
        assert np.array_equal(grayscale.numpy(picture), right)
        assert np.array_equal(widened(picture), right)
        assert np.array_equal(vector_expression(loaded), right)
    return sides


def decode_sides(pictures: list[Pixels]) -> dict[str, Side]:
    """Return everything that decodes."""
    encoded = [encode(picture) for picture in pictures]
    for one in encoded:
        right = decode.reference(one)
        for decoder in (decode.asarray, decode.getdata, simplejpeg.decode_jpeg):
            assert np.array_equal(decoder(one), right)
    return {
        "asarray": stopwatch(each(decode.asarray, encoded)),
        "getdata": stopwatch(each(decode.getdata, encoded)),
        "simplejpeg": stopwatch(each(simplejpeg.decode_jpeg, encoded)),
    }


def gray_rows(found: Mapping[str, Mapping[int, float]]) -> Iterator[Row]:
    """Return the rows of gray pictures."""

    def row(against: str, name: str, ratio: Estimate, unit: str, goal: Goal | None, ours: str = OURS) -> Row:
        return Row(
            "grayscale `numpy`, 800x800",
            against,
            shown(typical(found[ours]) / PICTURES),
            shown(typical(found[name]) / PICTURES),
            ratio,
            unit,
            goal,
        )

    fast, goal = "times as fast", Goal("at least", 7)
    speedup = versus(found[PLAIN_NOTEBOOK], found[PLAIN_OURS])
    yield row("the notebook's vector expression", PLAIN_NOTEBOOK, speedup, fast, goal, PLAIN_OURS)
    speedup = versus(found[NOTEBOOK], found[OURS])
    yield row("the same, both with our workers' allocator", NOTEBOOK, speedup, fast, goal)
    speedup = versus(found[INT64], found[OURS])
    yield row("the same, on an int64 array that is there already", INT64, speedup, fast, None)
    of = versus(found[OURS], found["pillow"])
    yield row('Pillow `convert("L", matrix)`', "pillow", of, "of the time", Goal("at most", 0.9))
    of = versus(found[OURS], found["opencv"])
    yield row("OpenCV `cvtColor` (other weights)", "opencv", of, "of the time", None)
    of = versus(found[OURS], found["memory"])
    yield row("one read and one write at memory speed", "memory", of, "of the time", None)
    of = versus(found[OURS], found["apart"])
    yield row("its words drawn apart, and no arithmetic", "apart", of, "of the time", None)


def decode_rows(found: Mapping[str, Mapping[int, float]]) -> Iterator[Row]:
    """Return the rows of decoding."""
    what, ours = "decode `asarray`, 800x800 JPEG", shown(typical(found["asarray"]) / PICTURES)

    def theirs(name: str) -> str:
        return shown(typical(found[name]) / PICTURES)

    speedup = versus(found["getdata"], found["asarray"])
    yield Row(
        what,
        "the notebook's `getdata`",
        ours,
        theirs("getdata"),
        speedup,
        "times as fast",
        Goal("at least", 40),
    )
    of = versus(found["asarray"], found["simplejpeg"])
    yield Row(
        what,
        "simplejpeg, same bytes and same pixels",
        ours,
        theirs("simplejpeg"),
        of,
        "of the time",
        Goal("at most", 1.3),
    )


def main() -> int:
    """Print the rows; return 1 if a goal was missed."""
    options = parser(__doc__).parse_args()
    keep_freed_memory()
    cv2.setNumThreads(1)
    pictures = [photograph(1, number, SIDE, SIDE) for number in range(PICTURES)]
    with ExitStack() as stack:
        progress("grayscale")
        gray = turns(gray_sides(stack, pictures), rounds_of(options))
        progress("decode")
        decoded = turns(decode_sides(pictures), rounds_of(options))
    return finish([*gray_rows(gray), *decode_rows(decoded)], options, __file__)


if __name__ == "__main__":
    sys.exit(main())
