from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgpack
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from orchestrator.strategies.processes import slot_program
from orchestrator.strategies.processes.slot_program import (
    BEGUN,
    DONE,
    Answers,
    Arena,
    Orders,
    Window,
    get,
    put,
    work,
)
from worker.contract import Payload
from worker.execution import HOLD_S, MOST_HELD, Done


@pytest.fixture
def arena(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    monkeypatch.setattr(slot_program, "FIRST_BYTES", 16384)
    with tempfile.TemporaryFile() as file:
        yield Arena(file.fileno())


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The slot's end of a control socket and the orchestrator's, which never waits."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        yield ours, theirs


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
    room = slot_program._room_for(nbytes)
    assert nbytes <= room <= nbytes * 1.25 + 64
    assert room % 64 == 0
    assert room == slot_program._room_for(room)


def test_cells_never_overlap_and_spare_the_header(arena: Arena) -> None:
    sizes = [1, 64, 65, 5000, 100_000, 0]
    cells = sorted((arena.allocate(nbytes), nbytes) for nbytes in sizes * 3)
    assert cells[0][0] >= slot_program.HEADER_BYTES
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
    assert arena.allocate(1) == slot_program.HEADER_BYTES


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the slot's clock shows; it stands still."""
    now = [100.0]
    monkeypatch.setattr(slot_program.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> list[int]:
    """The payloads that kernels were called with; each is how many `HOLD_S` the clock goes on meanwhile."""
    called: list[int] = []

    def timed(stage: str, kernel: str, payload: int) -> Done:
        called.append(payload)
        clock[0] += payload * 1.01 * HOLD_S
        return None, None, 0.0, 0.0

    monkeypatch.setattr(slot_program, "timed", timed)
    return called


Line = tuple[socket.socket, socket.socket]


def worked(line: Line, payloads: Sequence[int], flags: bytearray | None = None) -> list[list[int]]:
    """The lanes, which are numbered, that a slot names in each message when it is told in one what to do."""
    line[1].sendall(msgpack.packb([(lane, "a stage", "a kernel", payload) for lane, payload in enumerate(payloads)]))
    line[0].setblocking(False)  # with nothing left to do it does not wait
    with pytest.raises(BlockingIOError):
        work(Orders(line[0], unchanged), Answers(line[0], lane_alone), flags or bytearray(2 * len(payloads)))  # type: ignore[arg-type]  # flags like those of an mmap
    return [[lane for (lane,) in row] for row in _unpacked(line[1])]


@pytest.mark.usefixtures("kernels")
def test_answers_are_kept_until_there_are_enough_or_little_is_left_to_do(line: Line) -> None:
    many = 2 * MOST_HELD
    assert worked(line, [0] * (many + 3)) == [
        [0],  # nothing had been said for a while
        [*range(1, MOST_HELD + 1)],
        [*range(MOST_HELD + 1, many + 1)],
        [many + 1],  # whose slot has one task left
        [many + 2],
    ]


@pytest.mark.usefixtures("kernels")
def test_an_answer_leaves_at_once_where_none_has_for_a_while(line: Line) -> None:
    assert worked(line, [0, 0, 0, 1, 0, 0, 1, 0, 0]) == [[0], [1, 2, 3], [4, 5, 6], [7], [8]]


def test_a_task_that_was_taken_back_is_not_done(line: Line, kernels: list[int]) -> None:
    flags = bytearray(6)
    flags[3] = 1
    assert worked(line, [0, 7, 0], flags) == [[0], [1], [2]]
    assert (kernels, flags[::2]) == ([0, 0], bytes([DONE] * 3))


def test_a_task_is_told_begun_while_it_is_done(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    flags, seen = bytearray(6), []

    def timed(stage: str, kernel: str, payload: int) -> Done:
        seen.append(flags[::2])
        return None, None, 0.0, 0.0

    monkeypatch.setattr(slot_program, "timed", timed)
    worked(line, [0, 0, 0], flags)
    assert seen == [bytes([BEGUN, 0, 0]), bytes([DONE, BEGUN, 0]), bytes([DONE, DONE, BEGUN])]


def test_orders_are_few_when_one_is_left_however_they_came(line: Line) -> None:
    orders = Orders(line[0], unchanged)
    assert orders.are_few()
    line[1].sendall(msgpack.packb([[1], [2]]) + msgpack.packb([[3]]))
    line[1].sendall(msgpack.packb([[4]]))
    assert not orders.are_few()
    assert (orders.row(2), orders.are_few()) == ([(1,), (2,)], False)
    assert (orders.row(9), orders.are_few(), orders.row(9)) == ([(3,)], True, [(4,)])
    line[1].close()
    with pytest.raises(EOFError):
        orders.row(9)


def unchanged(message: Sequence[int]) -> Sequence[int]:
    return message


def lane_alone(answer: Sequence[int]) -> Sequence[int]:
    return answer[:1]


def _unpacked(end: socket.socket) -> msgpack.Unpacker:
    unpacker = msgpack.Unpacker()
    unpacker.feed(end.recv(1 << 16))
    return unpacker
