from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import numpy as np
import pytest

from orchestrator.strategies.processes.outputs import Lent, Outputs
from worker.arena import Arena, put


@pytest.fixture
def slot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    """The file as the slot sees it, that leaves outputs there."""
    monkeypatch.setattr("worker.arena.FIRST_BYTES", 16384)
    with tempfile.TemporaryFile() as file:
        yield Arena(file.fileno())


@pytest.fixture
def outputs(slot: Arena) -> Iterator[Outputs]:
    fd = os.dup(slot.fd)
    yield Outputs(fd)
    os.close(fd)


def test_arrays_of_a_row_are_given_back_together_when_nobody_holds_any(slot: Arena, outputs: Outputs) -> None:
    places = [put(slot, np.full((3, 5), value, np.uint8)) for value in range(3)]
    row = Lent(outputs)
    arrays = [row.read(place) for place in places]
    del row
    part = arrays[1][1:]  # type: ignore[index]  # it is an array
    for value, array in enumerate(arrays):
        np.testing.assert_array_equal(array, np.full((3, 5), value, np.uint8), strict=True)
    del arrays, array
    assert not outputs.unneeded
    np.testing.assert_array_equal(part, np.full((2, 5), 1, np.uint8))
    del part
    assert [*outputs.unneeded] == [(offset, 15) for offset, _ in places]


def test_an_offset_alone_has_the_form_of_the_last_place(slot: Arena, outputs: Outputs) -> None:
    first, second = (put(slot, np.full((3, 5), value, np.uint8)) for value in range(2))
    Lent(outputs).read(first)
    np.testing.assert_array_equal(Lent(outputs).read(second[0]), np.full((3, 5), 1, np.uint8), strict=True)
    outputs.drop(put(slot, "text"))
    assert Lent(outputs).read(put(slot, "more")[0]) == "more"


def test_text_and_bytes_are_copied_and_their_cells_given_back_at_once(slot: Arena, outputs: Outputs) -> None:
    places = [put(slot, "text"), put(slot, b"some bytes")]
    row = Lent(outputs)
    assert [row.read(place) for place in places] == ["text", b"some bytes"]
    assert [*outputs.unneeded] == [(places[0][0], 4), (places[1][0], 10)]


def test_a_row_goes_on_when_the_file_grows_within_it(slot: Arena, outputs: Outputs) -> None:
    row = Lent(outputs)
    small = row.read(put(slot, np.full(7, 1, np.uint8)))
    large = row.read(put(slot, np.full(10 * slot.size, 2, np.uint8)))
    np.testing.assert_array_equal(small, np.full(7, 1, np.uint8))
    assert isinstance(large, np.ndarray)
    assert large.size > 16384
    assert (large == 2).all()
    del large
    assert not outputs.unneeded  # the row may read more
    del row
    assert [nbytes for _, nbytes in outputs.unneeded] == [10 * 16384]


def test_what_nobody_wants_is_given_back(slot: Arena, outputs: Outputs) -> None:
    place = put(slot, np.zeros(9, np.uint8))
    outputs.drop(place)
    assert [*outputs.unneeded] == [(place[0], 9)]
