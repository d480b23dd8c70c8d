from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.strategies import vectorized
from orchestrator.strategies.vectorized import Vectorized
from tests.conformance import pixels
from worker.contract import Failure, Pixels, Task
from worker.stages import STAGES, grayscale


def tasks_of(*pictures: Pixels) -> list[Task]:
    return [Task(i, "grayscale", "numpy", picture) for i, picture in enumerate(pictures)]


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, ...]]]:
    """The shapes that the batch kernel was given, a list a call."""
    seen: list[list[tuple[int, ...]]] = []

    def kernel(batch: Sequence[Pixels]) -> Sequence[Pixels]:
        seen.append([picture.shape for picture in batch])
        return grayscale.numpy_batch(batch)

    put_kernel(monkeypatch, kernel)
    return seen


def put_kernel(monkeypatch: pytest.MonkeyPatch, kernel: object) -> None:
    stage = replace(STAGES["grayscale"], batch_kernels={"numpy": kernel})  # type: ignore[dict-item]
    monkeypatch.setattr(vectorized, "STAGES", {**STAGES, "grayscale": stage})


def test_pictures_of_one_shape_are_done_at_once(stacks: list[list[tuple[int, ...]]]) -> None:
    list(Vectorized(1).run(tasks_of(pixels(2, 3), pixels(3, 2), pixels(2, 3), pixels(2, 3))))
    assert stacks == [[(2, 3, 3)] * 3, [(3, 2, 3)]]


def test_a_groups_time_is_shared_equally() -> None:
    outcomes = list(Vectorized(1).run(tasks_of(*[pixels(4, 4)] * 5)))
    assert len({outcome.hops for outcome in outcomes}) == 1


def test_a_picture_that_only_the_batch_kernel_cannot_do_stays_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kernel(batch: Sequence[Pixels]) -> Sequence[Pixels]:
        raise MemoryError("no room for the stack")

    put_kernel(monkeypatch, kernel)
    outcomes = list(Vectorized(1).run(tasks_of(pixels(4, 4), pixels(4, 4))))
    assert [Failure("MemoryError", "no room for the stack")] * 2 == [outcome.failure for outcome in outcomes]
    assert [outcome.output for outcome in outcomes] == [None, None]


def test_a_stage_with_no_batch_kernel_is_a_usage_error_before_anything_is_done() -> None:
    outcomes = Vectorized(1).run([*tasks_of(pixels(2, 2)), Task(9, "decode", "asarray", b"")])
    with pytest.raises(
        UsageError, match="vectorized cannot do decode asarray: there are batch kernels for grayscale numpy"
    ):
        next(outcomes)


@given(
    height=st.integers(0, 9),
    width=st.integers(0, 9),
    count=st.integers(1, 7),
    block_pairs=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_blocks_of_any_size_give_the_references_pixels(
    height: int, width: int, count: int, block_pairs: int, seed: int
) -> None:
    pictures = [pixels(height, width, seed + i) for i in range(count)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grayscale, "BLOCK_PAIRS", block_pairs)
        outputs = grayscale.numpy_batch(pictures)
        alone = [grayscale.numpy(picture) for picture in pictures]
    for picture, output, one in zip(pictures, outputs, alone, strict=True):
        np.testing.assert_array_equal(output, grayscale.reference(picture), strict=True)
        np.testing.assert_array_equal(one, grayscale.reference(picture), strict=True)


def test_every_sum_of_three_bytes_is_divided_exactly() -> None:
    levels = np.arange(256, dtype=np.uint8)
    picture = np.stack(np.meshgrid(levels, levels, levels[::5]), axis=-1).reshape(256, -1, 3)
    np.testing.assert_array_equal(grayscale.numpy(picture), grayscale.reference(picture), strict=True)


def test_a_picture_that_is_not_contiguous_comes_out_right() -> None:
    for picture in (
        pixels(9, 14)[:, ::2],
        pixels(9, 7)[::-1],
        pixels(7, 9).transpose(1, 0, 2),
        pixels(5, 5)[..., ::-1],
    ):
        np.testing.assert_array_equal(grayscale.numpy(picture), grayscale.reference(picture), strict=True)
