from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import msgpack
import numpy as np
import pytest

from orchestrator.strategies.processes import slot_program
from orchestrator.strategies.processes.slot_program import (
    BEGUN,
    DONE,
    LANES,
    NO_HURRY,
    Answers,
    Orders,
    _prepared,
    work,
)
from worker.arena import Arena, Window, get, put
from worker.execution import HOLD_S, MOST_HELD, Done


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The slot's end of a control socket and the orchestrator's, which never waits."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        yield ours, theirs


@pytest.fixture
def outputs() -> Iterator[Arena]:
    with tempfile.TemporaryFile() as file:
        yield Arena(file.fileno())


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The payloads that kernels were called with; each is how many `HOLD_S` one takes, and given back as text."""
    called: list[int] = []

    def timed(stage: str, kernel: str, payload: int) -> Done:
        called.append(payload)
        return str(payload), None, payload * 1.01 * HOLD_S

    monkeypatch.setattr(slot_program, "timed", timed)
    return called


Line = tuple[socket.socket, socket.socket]


def worked(
    line: Line, outputs: Arena, payloads: Sequence[int], flags: bytearray | None = None
) -> list[list[Any]]:
    """The answers of each message of a slot that is told in one what to do."""
    orders = [(place % LANES, "a stage", "a kernel", payload) for place, payload in enumerate(payloads)]
    line[1].sendall(msgpack.packb(orders))
    line[0].setblocking(False)  # with nothing left to do it does not wait
    with pytest.raises(BlockingIOError):
        work(Orders(line[0], unchanged), Answers(line[0], outputs), flags or bytearray(NO_HURRY + 1))  # type: ignore[arg-type]  # flags like those of an mmap
    return [answers for _, *answers in _unpacked(line[1])]


@pytest.mark.usefixtures("kernels")
def test_answers_are_kept_until_there_are_enough_or_little_is_left_to_do(line: Line, outputs: Arena) -> None:
    many = 2 * MOST_HELD
    assert [len(row) for row in worked(line, outputs, [0] * (many + 3))] == [
        MOST_HELD,
        MOST_HELD,
        2,  # the slot has one task left
        1,
    ]


@pytest.mark.usefixtures("kernels")
def test_where_there_is_no_hurry_answers_are_kept_until_nothing_is_left(line: Line, outputs: Arena) -> None:
    flags = bytearray(NO_HURRY + 1)
    flags[NO_HURRY] = 1
    assert [len(row) for row in worked(line, outputs, [0] * (MOST_HELD + 3), flags)] == [MOST_HELD, 3]


@pytest.mark.usefixtures("kernels")
def test_what_took_long_is_told_at_once(line: Line, outputs: Arena) -> None:
    assert [len(row) for row in worked(line, outputs, [0, 0, 0, 1, 0, 0, 1, 1, 0, 0])] == [4, 3, 1, 1, 1]


def test_a_task_that_was_taken_back_is_not_done(line: Line, outputs: Arena, kernels: list[int]) -> None:
    flags = bytearray(NO_HURRY + 1)
    flags[3] = 1
    (first, second), (third,) = worked(line, outputs, [0, 7, 0], flags)
    assert (len(first), second, len(third)) == (2, [], 2)
    assert (kernels, flags[:6:2]) == ([0, 0], bytes([DONE] * 3))


def test_a_task_is_told_begun_while_it_is_done(
    line: Line, outputs: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, seen = bytearray(NO_HURRY + 1), []

    def timed(stage: str, kernel: str, payload: int) -> Done:
        seen.append(flags[:6:2])
        return "", None, 0.0

    monkeypatch.setattr(slot_program, "timed", timed)
    worked(line, outputs, [0, 0, 0], flags)
    assert seen == [bytes([BEGUN, 0, 0]), bytes([DONE, BEGUN, 0]), bytes([DONE, DONE, BEGUN])]


@pytest.mark.usefixtures("kernels")
def test_the_form_of_an_output_is_told_once(line: Line, outputs: Arena) -> None:
    (*many, last), (other,) = worked(line, outputs, [0, 0, 0, 10])
    (_, place), (_, offset), (_, again), (_, unlike) = *many, last, other
    assert isinstance(place, list)
    assert (type(offset), type(again), type(unlike)) == (int, int, list)
    window = Window(outputs.fd)
    assert [get(window, each) for each in (place, (offset, place[1]), unlike)] == ["0", "0", "10"]


def test_an_order_that_is_like_the_last_one_of_its_lane_is_its_number(outputs: Arena) -> None:
    window, last = Window(outputs.fd), {}
    place = put(outputs, np.full((2, 3), 1, np.uint8))
    first = [*_prepared(window, outputs, last, ([], (7, "a stage", "a kernel", place), (8, "s", "k", place)))]
    assert [order[:3] for order in first] == [(7, "a stage", "a kernel"), (8, "s", "k")]
    assert put(outputs, np.full((2, 3), 2, np.uint8), place) is place
    second = [*_prepared(window, outputs, last, ([], 8, 7))]
    assert [order[:3] for order in second] == [(8, "s", "k"), (7, "a stage", "a kernel")]
    assert all((order[3] == 2).all() for order in second)


def test_cells_that_nobody_needs_any_more_are_used_again(outputs: Arena) -> None:
    offset, form = put(outputs, "text")
    assert [*_prepared(Window(outputs.fd), outputs, {}, ([(offset, form[1])],))] == []
    assert put(outputs, "more")[0] == offset


def test_orders_are_few_when_one_is_left_however_they_came(line: Line) -> None:
    orders = Orders(line[0], unchanged)
    assert orders.are_few(False)
    line[1].sendall(msgpack.packb([[1], [2]]) + msgpack.packb([[3]]))
    line[1].sendall(msgpack.packb([[4]]))
    assert (orders.row(2), orders.are_few(False)) == ([(1,), (2,)], False)
    assert (orders.row(9), orders.are_few(False)) == ([(3,)], True)
    line[1].sendall(msgpack.packb([[5]]))
    assert (orders.are_few(False), orders.row(9)) == (False, [(4,)])
    assert (orders.are_few(False), orders.row(9), orders.are_few(False)) == (True, [(5,)], True)
    line[1].close()
    with pytest.raises(EOFError):
        orders.row(9)


def unchanged(message: Sequence[int]) -> Sequence[int]:
    return message


def _unpacked(end: socket.socket) -> msgpack.Unpacker:
    unpacker = msgpack.Unpacker()
    unpacker.feed(end.recv(1 << 16))
    return unpacker
