"""What a number of rounds can find, and how many more would decide."""

from math import exp, sqrt

import pytest

from orchestrator.analysis.stats.power import chance_to_decide, rounds_to_decide, smallest_difference
from orchestrator.model.findings import Estimate


def ratio(at: float, reach: float) -> Estimate:
    """Return a ratio with an interval that reaches so far to either side, on the logarithmic scale."""
    return Estimate(exp(at), exp(at - reach), exp(at + reach), 0.95)


def test_the_smallest_difference_grows_with_the_interval_and_is_at_least_the_margin() -> None:
    narrow, wide = (smallest_difference(ratio(0.0, reach), 0.05) or 0 for reach in (0.001, 0.2))
    assert narrow == pytest.approx(0.05, abs=0.002)
    assert wide == pytest.approx(exp(1.58 * 0.2 + 0.84 * 2 * 0.2 / 1.96) - 1, rel=0.01)
    assert smallest_difference(Estimate(1.5), 0.05) is None


def test_more_rounds_make_a_decision_likelier_wherever_the_point_lies() -> None:
    for at in (0.0, 0.03, 0.2, -0.2):
        chances = [chance_to_decide(ratio(at, 0.3), 10, more, 0.05) for more in (10, 100, 1000, 100_000)]
        assert chances == sorted(chances)
        assert chances[-1] > 0.95


def test_a_chance_is_the_same_for_either_direction() -> None:
    assert chance_to_decide(ratio(0.2, 0.3), 10, 30, 0.05) == pytest.approx(
        chance_to_decide(ratio(-0.2, 0.3), 10, 30, 0.05)
    )


def test_the_rounds_that_are_asked_for_are_the_fewest_that_decide_in_8_of_10_cases() -> None:
    found = ratio(0.2, 0.25)
    needed = rounds_to_decide(found, 10, 0.05)
    assert needed is not None
    assert chance_to_decide(found, 10, needed, 0.05) >= 0.8
    assert chance_to_decide(found, 10, needed - 1, 0.05) < 0.8
    # the half width alone would be narrow enough much earlier
    assert needed > 10 * (0.25 * 1.5 / 0.2) ** 2 - 10


def test_an_interval_that_is_nearly_narrow_enough_needs_few_rounds() -> None:
    assert (rounds_to_decide(ratio(0.2, 0.2 / 1.58), 49, 0.05) or 0) < 49 * (sqrt(2) - 1) * 2


def test_no_number_of_rounds_is_named_beyond_a_thousand() -> None:
    assert rounds_to_decide(ratio(0.0488, 0.1), 900, 0.05) is None
    assert rounds_to_decide(Estimate(1.2), 9, 0.05) is None
