from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from worker.arena import HEADER_BYTES, Arena, Window, _room_for, get, put
from worker.contract import Payload


@pytest.fixture
def arena(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    monkeypatch.setattr("worker.arena.FIRST_BYTES", 16384)
    with tempfile.TemporaryFile() as file:
        yield Arena(file.fileno())


payloads = st.lists(
    st.one_of(
        st.text(st.characters(), max_size=3000),
        st.binary(max_size=3000),
        npst.arrays(
            st.sampled_from(["uint8", "<f8", ">i2", "bool"]), npst.array_shapes(min_dims=0, min_side=0)
        ),
    ),
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads)
def test_the_other_side_reads_what_was_put(arena: Arena, payloads: list[Payload]) -> None:
    window = Window(os.dup(arena.fd))
    places = [put(arena, payload) for payload in payloads]
    for payload, place in zip(payloads, places, strict=True):
        found = get(window, place)
        assert type(payload) is type(found)
        np.testing.assert_array_equal(found, payload, strict=True)
    for place in places:
        arena.free(place[1], place[2])
    os.close(window.fd)


@given(st.integers(0, 1 << 40))
def test_a_cell_is_as_large_as_asked_and_little_larger(nbytes: int) -> None:
    room = _room_for(nbytes)
    assert nbytes <= room <= nbytes * 1.25 + 64
    assert room % 64 == 0
    assert room == _room_for(room)


def test_cells_never_overlap_and_spare_the_header(arena: Arena) -> None:
    sizes = [1, 64, 65, 5000, 100_000, 0]
    cells = sorted((arena.allocate(nbytes), nbytes) for nbytes in sizes * 3)
    assert cells[0][0] >= HEADER_BYTES
    for (offset, nbytes), (following, _) in pairwise(cells):
        assert offset + nbytes <= following
    assert cells[-1][0] + cells[-1][1] <= arena.size


def test_a_cell_given_back_is_used_again(arena: Arena) -> None:
    first = arena.allocate(5000)
    arena.allocate(5000)
    arena.free(first, 5000)
    assert first == arena.allocate(4990)


def test_an_array_stays_valid_when_the_file_grows(arena: Arena) -> None:
    window = Window(arena.fd)
    before = np.arange(999, dtype=np.uint8).reshape(27, 37)
    held = get(window, put(arena, before))
    size = arena.size
    large = np.ones(10 * size, dtype=np.uint8)
    np.testing.assert_array_equal(get(window, put(arena, large)), large)
    assert arena.size > size
    np.testing.assert_array_equal(held, before)


def test_a_picture_that_is_not_contiguous_arrives_in_c_order(arena: Arena) -> None:
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)[::-1, ::2]
    found = get(Window(arena.fd), put(arena, picture))
    np.testing.assert_array_equal(found, picture, strict=True)
    assert isinstance(found, np.ndarray)
    assert found.flags.c_contiguous


@pytest.mark.parametrize(
    "payload", [None, 3, object(), np.array([object()]), np.zeros(2, dtype=[("a", "u1")])]
)
def test_what_cannot_be_shared_is_refused_and_takes_no_cell(arena: Arena, payload: Payload) -> None:
    with pytest.raises(TypeError, match="cannot be shared between processes"):
        put(arena, payload)
    assert arena.allocate(1) == HEADER_BYTES


def test_a_cell_s_next_array_is_read_as_what_it_is(arena: Arena) -> None:
    window = Window(arena.fd)
    pictures = [np.full((3, 4), 1, np.uint8), np.full((4, 3), 2, np.uint8), np.full(12, 3, np.int8)]
    for picture in pictures * 2:
        place = put(arena, picture)
        np.testing.assert_array_equal(get(window, place), picture, strict=True)
        arena.free(place[1], place[2])
    assert {place[1]} == {HEADER_BYTES}


def test_a_window_keeps_few_views(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.arena.MOST_ARRAYS", 3)
    window = Window(arena.fd)
    for length in range(1, 9):
        place = put(arena, np.arange(length, dtype=np.uint8))
        np.testing.assert_array_equal(get(window, place), np.arange(length))
        assert len(window._arrays) <= 3
