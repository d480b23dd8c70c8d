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
    HELD_BYTES,
    LANES,
    NO_HURRY,
    Answers,
    Orders,
    _prepared,
    work,
)
from worker.arena import TOGETHER_BYTES, Arena, Window, get, put
from worker.contract import Failure
from worker.execution import HOLD_S, MOST_HELD, Done
from worker.stages import grayscale


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

    def timed(kernel: object, payload: int) -> Done:
        called.append(payload)
        return str(payload), None, payload * 1.01 * HOLD_S

    monkeypatch.setattr(slot_program, "timed_kernel", timed)
    return called


Line = tuple[socket.socket, socket.socket]


def worked(
    line: Line, outputs: Arena, payloads: Sequence[int], flags: bytearray | None = None
) -> list[list[Any]]:
    """The answers of each message of a slot that is told in one what to do."""
    orders = [(place % LANES, "a kernel", payload) for place, payload in enumerate(payloads)]
    line[1].sendall(msgpack.packb(orders))
    line[0].setblocking(False)  # with nothing left to do it does not wait
    with pytest.raises(BlockingIOError):
        work(Orders(line[0], unchanged), Answers(line[0], outputs), flags or bytearray(NO_HURRY + 1))  # type: ignore[arg-type]  # flags like those of an mmap
    return [answers for _, answers in _unpacked(line[1])]


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
    assert (len(first), second, len(third)) == (2, None, 2)
    assert (kernels, flags[:6:2]) == ([0, 0], bytes([DONE] * 3))


def test_a_task_is_told_begun_while_it_is_done(
    line: Line, outputs: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, seen = bytearray(NO_HURRY + 1), []

    def timed(kernel: object, payload: int) -> Done:
        seen.append(flags[:6:2])
        return "", None, 0.0

    monkeypatch.setattr(slot_program, "timed_kernel", timed)
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
    new = (7, "grayscale", "loop", place), (8, "grayscale", "numpy", place)
    first = [*_prepared(window, outputs, last, ([], new, (7, 8)))]
    assert [order[:2] for order in first] == [(7, grayscale.loop), (8, grayscale.numpy)]
    assert put(outputs, np.full((2, 3), 2, np.uint8), place) is place
    second = [*_prepared(window, outputs, last, ([], (), (8, 7)))]
    assert [order[:2] for order in second] == [(8, grayscale.numpy), (7, grayscale.loop)]
    assert all((order[2] == 2).all() for order in second)


def test_a_kernel_that_there_is_not_is_its_task_s_failure(line: Line, outputs: Arena) -> None:
    place = put(outputs, "text")
    orders = _prepared(Window(outputs.fd), outputs, {}, ([], [(0, "grayscale", "no such", place)], (0,)))
    waiting, answers = Orders(line[0], unchanged), Answers(line[0], outputs)
    waiting.waiting.extend(orders)
    line[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        work(waiting, answers, bytearray(NO_HURRY + 1))  # type: ignore[arg-type]  # flags like those of an mmap
    ((_, ((_, said, name),)),) = _unpacked(line[1])
    assert name == "UnknownKernelError"
    assert str(get(Window(outputs.fd), said)).startswith("grayscale has no kernel 'no such'")


def test_cells_that_nobody_needs_any_more_are_used_again(outputs: Arena) -> None:
    offset, form = put(outputs, "text")
    assert [*_prepared(Window(outputs.fd), outputs, {}, ([(offset, form[1])], (), ()))] == []
    assert put(outputs, "more")[0] == offset


def gray(value: int, shape: tuple[int, ...] = (2, 3)) -> Done:
    return np.full(shape, value, np.uint8), None, 0.25 * value


def told(line: Line, outputs: Arena, held: Sequence[Done | None]) -> list[Any]:
    """The message by which a slot tells what it holds, without the CPU share."""
    answers = Answers(line[0], outputs)
    answers.held.extend(held)
    answers.send(1.0)
    assert answers.held == []
    ((_, *message),) = _unpacked(line[1])
    return message


def test_small_arrays_that_are_alike_are_told_together(line: Line, outputs: Arena) -> None:
    seconds, place = told(line, outputs, [gray(1), None, gray(2), gray(3)])
    assert seconds == [0.25, None, 0.5, 0.75]
    together = np.stack([np.full((2, 3), value, np.uint8) for value in (1, 2, 3)])
    np.testing.assert_array_equal(get(Window(outputs.fd), place), together, strict=True)


@pytest.mark.parametrize(
    "held",
    [
        [gray(1)],
        [gray(1), gray(2, (3, 2))],
        [gray(1), (np.full((2, 3), 2, np.int64), None, 0.5)],
        [gray(1), (None, Failure("ValueError", "no"), 0.5)],
        [gray(1, ()), gray(2, ())],
        [gray(1, (0, 3)), gray(2, (0, 3))],
        [gray(1, (TOGETHER_BYTES // 2 + 1,)), gray(2, (TOGETHER_BYTES // 2 + 1,))],
        [("text", None, 0.25), ("text", None, 0.5)],
    ],
    ids=["one", "shapes", "dtypes", "failure", "no axis", "empty", "large", "text"],
)
def test_all_other_outputs_have_places_of_their_own(line: Line, outputs: Arena, held: list[Done]) -> None:
    (answers,) = told(line, outputs, held)
    window, form = Window(outputs.fd), None
    for answer, (output, failure, compute_s) in zip(answers, held, strict=True):
        place = answer[1] if isinstance(answer[1], list) else (answer[1], form)
        form = place[1]
        assert answer[0] == compute_s
        assert answer[2:] == ([] if failure is None else [failure.type])
        np.testing.assert_array_equal(get(window, place), output if failure is None else failure.message)


def test_few_outputs_are_held_where_they_are_large(line: Line, outputs: Arena) -> None:
    answers = Answers(line[0], outputs)
    for nbytes, most in ((1, MOST_HELD), (HELD_BYTES // 2, 2), (2 * HELD_BYTES, 1)):
        answers.held.append((bytes(nbytes), None, 0.0))
        answers.send(0.0)
        assert answers.most == most


def test_orders_are_few_when_one_is_left_however_they_came(line: Line) -> None:
    orders = Orders(line[0], unchanged)
    assert (orders.are_few(False), orders.are_few(True)) == (True, True)
    line[1].sendall(msgpack.packb([[1], [2]]) + msgpack.packb([[3]]))
    line[1].sendall(msgpack.packb([[4]]))
    assert (orders.are_few(False), [*orders.waiting]) == (False, [(1,), (2,), (3,), (4,)])
    for left in (3, 2):
        orders.waiting.popleft()
        assert (orders.are_few(False), len(orders.waiting)) == (False, left)
    orders.waiting.popleft()
    assert (orders.are_few(False), orders.are_few(True)) == (True, False)
    line[1].sendall(msgpack.packb([[5]]))
    assert (orders.are_few(False), [*orders.waiting]) == (False, [(4,), (5,)])
    orders.waiting.clear()
    line[1].close()
    with pytest.raises(EOFError):
        orders.await_one()


def unchanged(message: Sequence[int]) -> Sequence[int]:
    return message


def _unpacked(end: socket.socket) -> msgpack.Unpacker:
    unpacker = msgpack.Unpacker()
    unpacker.feed(end.recv(1 << 16))
    return unpacker
