"""The chunks of a Celery batch: each goes once, and what comes back goes again, last."""

from __future__ import annotations

import pytest

from orchestrator.strategies.celery.batch import Chunks
from worker.contract import Task


def ids(chunks: Chunks) -> list[list[int]]:
    return [[task.id for task in chunk] for chunk in chunks]


@pytest.mark.parametrize(
    ("count", "size", "expected"), [(5, 2, [[0, 1], [2, 3], [4]]), (4, 4, [[0, 1, 2, 3]]), (0, 3, [])]
)
def test_a_batch_is_cut_into_chunks_that_go_once_each(
    count: int, size: int, expected: list[list[int]]
) -> None:
    chunks = Chunks([Task(number, "grayscale", "numpy", "") for number in range(count)], size)
    assert ids(chunks) == expected
    for left in range(len(expected), 0, -1):
        assert len(chunks) == left
        assert [task.id for task in chunks.first] == expected[-left]
        chunks.drop_first()
    assert (len(chunks), ids(chunks)) == (0, [])


def test_a_chunk_that_was_put_back_goes_last_and_once() -> None:
    chunks = Chunks([Task(number, "grayscale", "numpy", "") for number in range(3)], 2)
    first = chunks.first
    chunks.drop_first()
    chunks.put_back(first)
    assert (len(chunks), ids(chunks)) == (2, [[2], [0, 1]])
    chunks.drop_first()
    assert chunks.first == first
    chunks.drop_first()
    assert not chunks
