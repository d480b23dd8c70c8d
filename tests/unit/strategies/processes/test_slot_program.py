from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import msgpack
import pytest

from orchestrator.strategies.processes import slot_program
from orchestrator.strategies.processes.slot_program import (
    BEGUN,
    DONE,
    Answers,
    Orders,
    work,
)
from worker.execution import HOLD_S, MOST_HELD, Done


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The slot's end of a control socket and the orchestrator's, which never waits."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        yield ours, theirs


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
    line[1].sendall(
        msgpack.packb([(lane, "a stage", "a kernel", payload) for lane, payload in enumerate(payloads)])
    )
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
    assert (orders.row(2), orders.are_few()) == ([(1,), (2,)], False)
    assert (orders.row(9), orders.are_few()) == ([(3,)], True)
    line[1].sendall(msgpack.packb([[5]]))
    assert (orders.are_few(), orders.row(9)) == (False, [(4,)])
    assert (orders.are_few(), orders.row(9), orders.are_few()) == (True, [(5,)], True)
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
