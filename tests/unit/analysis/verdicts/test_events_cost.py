"""What task events cost, from cells that differ in them alone."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.verdicts.recommendations import events_costs
from orchestrator.model.runs import CellResult
from orchestrator.phrases.recommendations import events_sentence
from tests.unit.analysis.made_runs import INLINE, REDIS, SERIAL, STEADY, result, run_of

OFF, ON = replace(REDIS, events="off"), replace(REDIS, events="on")


def times(factor: float) -> list[float]:
    return [factor * each for each in STEADY]


def pair(without: float, with_events: float) -> tuple[CellResult, CellResult]:
    return result(OFF, times(without)), result(ON, times(with_events))


def test_the_cost_is_the_share_by_which_events_lengthen_the_same_rounds():
    (cost,) = events_costs(run_of(result(SERIAL, times(1.0)), *pair(0.100, 0.112)))
    assert (cost.cell, round(cost.ratio.point, 9), cost.rounds) == (OFF, 1.12, 7)
    assert events_sentence(cost) == (
        "grayscale: task events cost Celery with numpy on 2 slots (redis, chunk 4) "
        "12 % (12 to 12 %, 95 % interval, 7 rounds), 6 ms a message."
    )


def test_the_cost_is_that_of_the_fastest_cell_of_a_stage():
    slow = replace(INLINE, events="off"), replace(INLINE, events="on")
    run = run_of(result(slow[0], times(1.0)), result(slow[1], times(1.5)), *pair(0.100, 0.150))
    assert [cost.cell for cost in events_costs(run)] == [OFF]


def test_cells_that_are_incorrect_or_were_not_measured_both_ways_have_no_cost():
    lost = result(ON, times(0.112), lost=1)
    again = result(replace(ON, replica=1), times(0.112))
    for other in (result(REDIS, times(0.112)), result(replace(INLINE, events="on"), times(0.1)), lost, again):
        assert events_costs(run_of(result(OFF, times(0.1)), other)) == ()


@given(st.lists(st.tuples(st.floats(1e-4, 1e2), st.floats(1e-4, 1e2)), min_size=5, max_size=12))
def test_the_cost_turns_round_with_the_cells(rounds):
    first, second = ([each[side] for each in rounds] for side in (0, 1))
    (one,) = events_costs(run_of(result(OFF, first), result(ON, second)))
    (other,) = events_costs(run_of(result(OFF, second), result(ON, first)))
    assert abs(one.ratio.point * other.ratio.point - 1) < 1e-9
    assert (one.message_s > 0) == (one.ratio.point > 1)
