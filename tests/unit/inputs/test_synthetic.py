"""Synthetic photographs: the same every time, of any sensible shape, and like photographs where it counts."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import orchestrator
from orchestrator.errors import UsageError
from orchestrator.inputs.synthetic import MAX_SIDE, MIN_SIDE, encode, photograph

ROOT = Path(orchestrator.__file__).parents[1]


def test_same_arguments_give_the_same_bits_in_another_process() -> None:
    program = (
        "import hashlib; from orchestrator.inputs.synthetic import encode, photograph;"
        "print(hashlib.sha256(encode(photograph(7, 3, 123, 77))).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert hashlib.sha256(encode(photograph(7, 3, 123, 77))).hexdigest() == other.stdout.strip()


def test_threads_do_not_disturb_each_other() -> None:
    alone = [photograph(1, i, 90, 60) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: photograph(1, i, 90, 60), range(8)))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize("other", [(2, 3, 40, 30), (1, 4, 40, 30)])
def test_another_seed_or_index_is_another_picture(other: tuple[int, int, int, int]) -> None:
    assert not np.array_equal(photograph(1, 3, 40, 30), photograph(*other))


@given(st.integers(MIN_SIDE, 70), st.integers(MIN_SIDE, 70), st.integers(0, 2**64), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_every_size_gives_rows_first_rgb_that_survives_a_jpeg(
    width: int, height: int, seed: int, index: int
) -> None:
    pixels = photograph(seed, index, width, height)
    assert (height, width, 3) == pixels.shape
    assert np.uint8 == pixels.dtype
    assert pixels.flags.c_contiguous
    with Image.open(io.BytesIO(encode(pixels))) as image:
        assert ("JPEG", "RGB", (width, height)) == (image.format, image.mode, image.size)


@pytest.mark.parametrize(
    ("width", "height"),
    [(MIN_SIDE - 1, 100), (100, MIN_SIDE - 1), (0, 0), (-5, 100), (MAX_SIDE + 1, 8), (MAX_SIDE, MAX_SIDE)],
)
def test_senseless_size_says_what_is_allowed(width: int, height: int) -> None:
    with pytest.raises(UsageError, match=rf"size {width}x{height} is .*; .* pixels$"):
        photograph(0, 0, width, height)


@pytest.mark.parametrize(("seed", "index"), [(-1, 0), (0, -1)])
def test_negative_seed_or_index_is_refused(seed: int, index: int) -> None:
    with pytest.raises(UsageError, match="must both be 0 or more"):
        photograph(seed, index, 10, 10)


@pytest.mark.parametrize("index", range(4))
def test_jpeg_of_a_photograph_has_a_photographs_size(index: int) -> None:
    assert 0.15 < len(encode(photograph(0, index, 800, 800))) / (800 * 800) < 0.35


def test_luminance_dominates_so_channels_go_together() -> None:
    channels = np.concatenate([photograph(0, i, 200, 200).reshape(-1, 3) for i in range(6)])
    correlations = np.corrcoef(channels.T)
    assert correlations.min() > 0.7


@pytest.mark.parametrize("index", range(4))
def test_power_falls_with_frequency_as_in_photographs(index: int) -> None:
    """Natural images: power as f to the -2 or a little steeper; white noise would be 0, a smooth ramp -4."""
    gray = photograph(0, index, 400, 400).mean(axis=2)
    power = np.abs(np.fft.fft2(gray - gray.mean())) ** 2
    frequency = np.hypot(np.fft.fftfreq(400)[None, :], np.fft.fftfreq(400)[:, None])
    edges = np.geomspace(0.01, 0.4, 13)
    means = [power[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(edges)]
    slope = np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(means), 1)[0]
    assert -3.3 < slope < -1.8
