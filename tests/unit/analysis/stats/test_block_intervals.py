from __future__ import annotations

import numpy as np
import pytest

from orchestrator.analysis.stats.block_intervals import blocked_quantile

COUNT = 9


def ordered(values, blocks):
    order = np.argsort(values, kind="stable")
    return np.asarray(values)[order], np.asarray(blocks)[order]


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_independent_values_are_held_about_as_often_as_the_level_says(quantile):
    rng = np.random.default_rng(1952)
    held = 0
    for _ in range(400):
        values, blocks = ordered(rng.exponential(1.0, 900), np.arange(900) // 100)
        made = blocked_quantile(values, blocks, COUNT, quantile).estimate
        assert made.low <= made.point <= made.high
        held += made.low <= -np.log(1 - quantile) <= made.high
    assert 0.93 <= held / 400 <= 0.99


def test_a_quantile_that_few_blocks_reach_has_no_interval_and_says_how_much_longer():
    blocks = np.arange(900) // 100
    values = np.where(blocks == 4, 2.0, 1.0) + np.arange(900) / 1e6  # one block in nine is slow
    made = blocked_quantile(*ordered(values, blocks), COUNT, 0.95)
    assert (made.estimate.low, made.estimate.high) == (None, None)
    assert made.longer > 1


def test_values_that_did_not_end_leave_no_interval_that_they_reach():
    values = np.concatenate([np.linspace(1, 2, 810), np.full(90, np.inf)])
    blocks = np.arange(900) % COUNT
    assert blocked_quantile(values, blocks, COUNT, 0.5).estimate.high < 1.7
    rough = np.random.default_rng(1).integers(0, COUNT, 900)
    assert blocked_quantile(values, rough, COUNT, 0.895).estimate.high is None


def test_equal_values_have_an_interval_of_no_width():
    made = blocked_quantile(np.ones(90), np.arange(90) % COUNT, COUNT, 0.9).estimate
    assert (made.low, made.point, made.high) == (1.0, 1.0, 1.0)
