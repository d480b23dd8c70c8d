"""The decoder and corrupt pictures: pixels or a `DecodeError`, the same from every kernel, in bounded memory."""

from __future__ import annotations

import re
import resource
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from tests.fuzz.cases import fuzz
from tests.fuzz.corrupt_pictures import FOREIGN, WHOLE, corrupt_pictures
from worker.contract import Failure, Pixels
from worker.execution import describe
from worker.stages import decode
from worker.stages.decode import DecodeError

DECODERS = [*decode.KERNELS.values(), decode.reference]
ROOM_BYTES = 1 << 31  # that Pillow may allocate: WebP allocates for pictures that are then refused


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """Limit this process, so that a larger allocation is a MemoryError, which fails the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + ROOM_BYTES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture(scope="module", autouse=True)
def small_limit() -> Iterator[None]:
    """Set a limit that a corrupt head easily exceeds, below which even the slowest kernel is quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "MAX_PIXELS", 250_000)
        yield


@fuzz(400, content=corrupt_pictures())
def test_every_kernel_gives_a_corrupt_picture_the_same_pixels_or_failure(content: bytes) -> None:
    first, *others = [attempt(decoder, content) for decoder in DECODERS]
    for other in others:
        assert type(other) is type(first)
        assert np.array_equal(other, first) if isinstance(first, np.ndarray) else other == first


@fuzz(100, content=corrupt_pictures())
def test_a_corrupt_picture_gives_the_same_result_twice(content: bytes) -> None:
    """A message contains no address, no time and no state of the process."""
    first, second = (attempt(decode.asarray, bytes(bytearray(content))) for _ in range(2))
    assert type(first) is type(second)
    assert np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second
    assert isinstance(first, np.ndarray) or re.search("0x[0-9a-f]{6}", first.message) is None


@pytest.mark.parametrize("kind", WHOLE)
def test_the_pictures_that_are_corrupted_decode_when_whole(kind: str) -> None:
    assert isinstance(attempt(decode.asarray, WHOLE[kind]), np.ndarray)


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_format_that_is_not_accepted_is_recognised_by_its_content(kind: str) -> None:
    with pytest.raises(DecodeError, match="are none of JPEG, PNG, WEBP, GIF, BMP"):
        decode.asarray(FOREIGN[kind])


def attempt(decoder: Callable[[bytes], Pixels], content: bytes) -> Pixels | Failure:
    """Return the kernel's pixels or the failure of its own error; any other error is raised."""
    with warnings.catch_warnings(action="ignore"):  # Pillow warns of broken metadata beside the pixels
        try:
            pixels = decoder(content)
        except DecodeError as error:
            return describe(error)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert pixels.shape[0] * pixels.shape[1] <= decode.MAX_PIXELS
    return pixels
