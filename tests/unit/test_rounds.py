import random
from collections import Counter

from orchestrator.model import Cell
from orchestrator.rounds import MOST_BATCHES, batches_for, shuffled

CELLS = tuple(
    Cell(stage, "kernel", strategy, 1, width=width)
    for stage in ("decode", "grayscale")
    for width in (64, 128)
    for strategy in ("serial", "threads", "processes")
)


def test_cells_that_do_the_same_work_follow_each_other() -> None:
    order = shuffled(CELLS, random.Random(1))
    works = [(cell.stage, cell.width) for cell in order]
    assert set(CELLS) == set(order)
    assert 4 == sum(one != other for one, other in zip(works, [None, *works], strict=False))


def test_either_of_two_cells_comes_first_as_often() -> None:
    rng = random.Random(1)
    orders = [shuffled(CELLS, rng) for _ in range(2000)]
    first = Counter(order.index(CELLS[0]) < order.index(CELLS[1]) for order in orders)
    assert 900 < first[True] < 1100
    groups = Counter(order[0].stage for order in orders)
    assert 900 < groups["decode"] < 1100


def test_a_batch_is_repeated_until_a_sample_lasts_10_ms() -> None:
    assert [1, 1, 2, 10, MOST_BATCHES] == [batches_for(s) for s in (1.0, 0.01, 0.009, 0.001, 1e-6)]
