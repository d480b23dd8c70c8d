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
    for offset, form in places:
        arena.free(offset, form[1])
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
    place = None
    for picture in [np.full((3, 4), 1, np.uint8), np.full((4, 3), 2, np.uint8), np.full(12, 3, np.int8)] * 2:
        place = put(arena, picture, place)
        np.testing.assert_array_equal(get(window, place), picture, strict=True)
        assert place[0] == HEADER_BYTES


def test_an_array_like_the_one_before_lies_at_the_same_place_and_a_view_shows_it(arena: Arena) -> None:
    before, after = np.full((3, 4), 1, np.uint8), np.full((3, 4), 2, np.uint8)
    place = put(arena, before)
    view = get(Window(arena.fd), place)
    assert put(arena, after, place) is place
    np.testing.assert_array_equal(view, after)


@pytest.mark.parametrize("next_one", [b"bytes", "text!", np.zeros(5, np.uint8), np.zeros((5, 1), np.uint8)])
def test_of_what_is_no_array_or_another_one_the_place_is_new(arena: Arena, next_one: Payload) -> None:
    old = put(arena, b"first")
    if isinstance(next_one, np.ndarray) and next_one.ndim == 2:
        old = put(arena, np.zeros(5, np.uint8), old)
    place = put(arena, next_one, old)
    assert place is not old
    assert place[0] == old[0]
    np.testing.assert_array_equal(get(Window(arena.fd), place), next_one, strict=True)


def test_a_cell_of_another_size_is_given_back(arena: Arena) -> None:
    small = put(arena, b"small")
    large = put(arena, bytes(5000), small)
    assert large[0] != small[0]
    assert arena.allocate(5) == small[0]


@pytest.mark.parametrize("refused", [None, np.array([object()])])
def test_what_is_refused_leaves_the_old_place_as_it_is(arena: Arena, refused: Payload) -> None:
    old = put(arena, b"still here")
    with pytest.raises(TypeError):
        put(arena, refused, old)
    assert get(Window(arena.fd), old) == b"still here"
    assert arena.allocate(10) != old[0]


def test_payloads_that_are_alike_have_one_form_until_the_file_grows(arena: Arena) -> None:
    forms = [put(arena, np.full((30, 40), value, np.uint8))[1] for value in range(2)]
    assert forms[0] is forms[1]
    arena.allocate(10 * arena.size)
    grown = put(arena, np.full((30, 40), 2, np.uint8))[1]
    assert grown[:4] == forms[0][:4]
    assert grown[4] == arena.size > forms[0][4]


def test_an_arena_that_cannot_grow_goes_on_as_it_is(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_args: object, **_options: object) -> None:
        raise OSError("no memory")

    large = bytes(2 * arena.size)
    with monkeypatch.context() as patched:
        patched.setattr("worker.arena.mmap.mmap", no_memory)
        with pytest.raises(OSError, match="no memory"):
            put(arena, large)
    for payload in (large, b"small"):
        assert get(Window(arena.fd), put(arena, payload)) == payload
