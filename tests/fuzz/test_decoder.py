"""The decoder and spoilt pictures: pixels or a `DecodeError`, the same from every kernel, in bounded memory."""

from __future__ import annotations

import re
import resource
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest

from tests.fuzz.cases import fuzz
from tests.fuzz.spoilt import FOREIGN, WHOLE, spoilt
from worker.contract import Failure, Pixels
from worker.execution import describe
from worker.stages import decode
from worker.stages.decode import DecodeError

DECODERS = [*decode.KERNELS.values(), decode.reference]
ROOM_BYTES = 1 << 31
"""What Pillow may make room for above what this process has: WebP takes some for pictures that are then refused."""


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Iterator[None]:
    """Beyond it there is none, so that whoever asks for more gets a MemoryError, and the test fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + ROOM_BYTES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture(scope="module", autouse=True)
def small_limit() -> Iterator[None]:
    """A cap that a spoilt head passes easily, and below which even the slowest kernel is done at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "MAX_PIXELS", 250_000)
        yield


@fuzz(400, content=spoilt())
def test_a_spoilt_picture_is_the_same_pixels_or_the_same_failure_to_every_kernel(content: bytes) -> None:
    first, *others = [attempt(decoder, content) for decoder in DECODERS]
    for other in others:
        assert type(other) is type(first)
        assert np.array_equal(other, first) if isinstance(first, np.ndarray) else other == first


@fuzz(100, content=spoilt())
def test_a_spoilt_picture_is_the_same_the_second_time(content: bytes) -> None:
    """No address, no clock and no state of the process in what is said of it."""
    first, second = (attempt(decode.asarray, bytes(bytearray(content))) for _ in range(2))
    assert type(first) is type(second)
    assert np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second
    assert isinstance(first, np.ndarray) or re.search("0x[0-9a-f]{6}", first.message) is None


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_spoilt_was_whole(kind: str) -> None:
    assert isinstance(attempt(decode.asarray, WHOLE[kind]), np.ndarray)


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_format_that_is_not_on_the_list_is_told_by_its_content(kind: str) -> None:
    with pytest.raises(DecodeError, match="are none of JPEG, PNG, WEBP, GIF, BMP"):
        decode.asarray(FOREIGN[kind])


def attempt(decoder: Callable[[bytes], Pixels], content: bytes) -> Pixels | Failure:
    """What the kernel gives, or the failure that becomes of its error; any other error than its own is raised."""
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
