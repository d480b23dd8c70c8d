from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from worker.contract import Payload
from worker.shared_memory import ALIGNMENT, Block, Packer, Reference, needed_bytes, shared_bytes, unpack

SHM = Path("/dev/shm")  # noqa: S108 - looked at only
RAMP = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)

SHARED: list[Payload] = [RAMP, RAMP[::2, ::-1], np.ones((2, 3)), b"bytes", np.asfortranarray(RAMP)]
PICKLED = [
    "text",
    None,
    b"",
    np.zeros((0, 3), np.uint8),
    np.array([{}], dtype=object),
    np.zeros(2, "M8[s]"),
    5,
]


@pytest.mark.parametrize("payload", SHARED)
def test_arrays_and_bytes_come_out_as_they_went_in(payload: Payload) -> None:
    buffer = memoryview(bytearray(needed_bytes([payload])))
    parcel = Packer(buffer).pack(payload)
    assert isinstance(parcel, Reference)
    for copy in (False, True):
        np.testing.assert_array_equal(unpack(buffer, parcel, copy), payload, strict=True)


@pytest.mark.parametrize("payload", PICKLED)
def test_everything_else_is_passed_on_as_it_is(payload: Payload) -> None:
    assert shared_bytes(payload) == 0
    assert Packer(memoryview(bytearray(100))).pack(payload) is payload
    assert unpack(memoryview(b""), payload, copy=True) is payload


def test_payloads_lie_one_behind_the_other_and_overwrite_nothing() -> None:
    payloads = [np.full((n, 3), n, np.uint8) for n in (1, 50, 7)]
    buffer = memoryview(bytearray(needed_bytes(payloads)))
    packer = Packer(buffer)
    parcels = [packer.pack(payload) for payload in payloads]
    for payload, parcel in zip(payloads, parcels, strict=True):
        assert isinstance(parcel, Reference)
        assert parcel.offset % ALIGNMENT == 0
        np.testing.assert_array_equal(unpack(buffer, parcel, copy=False), payload)
    assert packer.end == len(buffer)


def test_a_payload_that_does_not_fit_is_passed_on_and_its_bytes_are_counted() -> None:
    packer = Packer(memoryview(bytearray(2 * ALIGNMENT)), start=ALIGNMENT)
    large = np.zeros(ALIGNMENT + 1, np.uint8)
    assert packer.pack(large) is large
    assert packer.missing == 2 * ALIGNMENT
    assert isinstance(packer.pack(large[1:]), Reference)


def test_a_copy_outlives_its_block_and_a_view_shares_it() -> None:
    buffer = memoryview(bytearray(ALIGNMENT))
    parcel = Packer(buffer).pack(np.zeros(3, np.uint8))
    view, copy = unpack(buffer, parcel, copy=False), unpack(buffer, parcel, copy=True)
    buffer[0] = 9
    assert (view[0], copy[0]) == (9, 0)


def test_a_block_is_reserved_in_full_and_removed_on_closing() -> None:
    block = Block(1 << 20)
    file = SHM / block.name
    assert file.stat().st_blocks * 512 >= 1 << 20
    block.close()
    assert not file.exists()


def test_a_block_for_which_there_is_no_room_leaves_nothing_behind() -> None:
    before = set(SHM.iterdir())
    whole = os.statvfs(SHM)
    with pytest.raises(OSError, match="No space left on device"):
        # So large that it is refused before a page is taken.
        Block(whole.f_blocks * whole.f_frsize + (1 << 20))
    assert set(SHM.iterdir()) <= before
