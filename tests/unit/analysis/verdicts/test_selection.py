from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.verdicts.selection import compare_best, round_levels, select_best
from tests.unit.analysis.made_runs import INLINE, PROCESSES, REDIS, SERIAL, THREADS, result


def test_each_round_uses_the_cell_that_was_best_in_the_rounds_before_it() -> None:
    redis = result(REDIS, [1.0, 9.0, 9.0, 9.0])
    inline = result(INLINE, [2.0, 2.0, 2.0, 2.0])
    selected = select_best([redis, inline])
    assert selected is not None
    assert {1: redis, 2: inline, 3: inline} == selected.by_round
    assert selected.makespans_s == {1: 9.0, 2: 2.0, 3: 2.0}
    assert inline is selected.best
    assert {REDIS, INLINE} == {each.cell for each in selected.compared}


def test_a_cell_does_not_win_a_round_by_its_luck_in_that_round() -> None:
    lucky_last = result(REDIS, [2.0, 2.0, 2.0, 0.1])
    steady = result(INLINE, [1.0, 1.0, 1.0, 1.0])
    selected = select_best([lucky_last, steady])
    assert selected is not None
    assert selected.by_round[3] is steady


def test_a_slower_cell_does_not_stand_in_for_one_that_lacks_the_round() -> None:
    always = result(SERIAL, [1.0] * 8)
    fast = result(PROCESSES, [0.5] * 4)
    selected = select_best([always, fast])
    assert selected is not None
    assert dict.fromkeys((1, 2, 3), fast) == selected.by_round


def test_a_single_candidate_needs_no_picking_and_keeps_every_round() -> None:
    only = result(SERIAL, [1.0, 1.1, 1.2])
    selected = select_best([only, result(THREADS, [])])
    assert selected is not None
    assert dict.fromkeys(range(3), only) == selected.by_round


def test_nothing_measured_gives_no_pick() -> None:
    assert select_best([result(SERIAL, [])]) is None


def test_drift_does_not_choose() -> None:
    """A cell that missed the slow last rounds is not the best for that."""
    slower = result(REDIS, [1.1, 1.1, 1.1])
    faster = result(INLINE, [1.0, 1.0, 1.0, 5.0, 5.0])
    selected = select_best([slower, faster])
    assert selected is not None
    assert selected.best is faster


def test_levels_show_the_rounds_in_which_every_cell_was_slow() -> None:
    levels = round_levels([result(SERIAL, [1.0, 1.0, 2.0]), result(REDIS, [5.0, 5.0, 10.0])])
    assert {0: 0.0, 1: 0.0, 2: pytest.approx(log(2))} == levels


def test_contest_of_single_cells_is_their_paired_ratio() -> None:
    ours, theirs = (
        select_best([result(REDIS, [2, 4, 6, 8, 10, 12])]),
        select_best([result(SERIAL, [1, 2, 3, 4, 5, 6])]),
    )
    assert ours is not None
    assert theirs is not None
    found = compare_best(ours, theirs)
    assert found is not None
    assert (found.point, found.low, found.high, found.level) == (2, 2, 2, 0.96875)


def test_the_interval_contains_that_of_the_selected_cells_and_that_of_the_best_ones() -> None:
    """The second round's selection was wrong by a factor of 3, which the interval shows."""
    redis = result(REDIS, [1.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0])
    inline = result(INLINE, [1.1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    serial = result(SERIAL, [1.0] * 7)
    ours, theirs = select_best([redis, inline]), select_best([serial])
    assert ours is not None
    assert theirs is not None
    found = compare_best(ours, theirs)
    assert found is not None
    assert found.point == pytest.approx(1)
    assert found.low == pytest.approx(1)
    assert (found.high or 0) > 1.5
    assert found.level == 0.953125


def test_picking_needs_a_seventh_round_before_there_is_an_interval() -> None:
    for rounds, level in ((6, None), (7, 0.953125)):
        ours = select_best([result(REDIS, [1.0] * rounds), result(INLINE, [2.0] * rounds)])
        theirs = select_best([result(SERIAL, [1.0] * rounds)])
        assert ours is not None
        assert theirs is not None
        found = compare_best(ours, theirs)
        assert found is not None
        assert found.level == level


@given(st.lists(st.lists(st.floats(0.1, 10), min_size=6, max_size=6), min_size=1, max_size=4))
def test_swapping_the_sides_of_a_contest_inverts_it(cells: list[list[float]]) -> None:
    ours = select_best([result(cell, times) for cell, times in zip((REDIS, INLINE), cells, strict=False)])
    theirs = select_best([result(PROCESSES, [1.0, 2.0, 1.0, 2.0, 1.5, 1.0]), result(SERIAL, [1.5] * 6)])
    assert ours is not None
    assert theirs is not None
    there, back = compare_best(ours, theirs), compare_best(theirs, ours)
    assert there is not None
    assert back is not None
    assert (there.inverse.point, there.inverse.low, there.inverse.high) == pytest.approx(
        (back.point, back.low, back.high)
    )
