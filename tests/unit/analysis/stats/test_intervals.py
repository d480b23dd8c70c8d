from collections.abc import Sequence
from math import exp, log
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.stats.dependence import inflation
from orchestrator.analysis.stats.intervals import FEWEST_ROUNDS, estimate, makespan, ratio, unpaired_ratio
from orchestrator.model.findings import Estimate
from tests.unit.analysis.made_runs import SERIAL, result

times = st.floats(1e-4, 1e4)
rounds = st.dictionaries(st.integers(0, 20), times, min_size=1, max_size=12)


def test_point_is_the_median_of_the_geometric_means_of_two() -> None:
    # the Walsh averages of the logarithms 0, 1, 5 are 0, 0.5, 1, 2.5, 3, 5
    found = estimate([exp(0), exp(1), exp(5)])
    assert found is not None
    assert found.point == pytest.approx(exp(1.75))


@pytest.mark.parametrize(
    ("n", "level", "cut"),
    [(6, 0.96875, 0), (7, 0.953125, 2), (8, 0.9609375, 3), (9, 0.9609375, 5), (10, 0.951171875, 8)],
)
def test_interval_has_the_lowest_achievable_level_from_95_percent_on(n: int, level: float, cut: int) -> None:
    logarithms = up_and_down([2.0**i / 100 for i in range(n)])
    averages = sorted((a + b) / 2 for i, a in enumerate(logarithms) for b in logarithms[i:])
    found = estimate([exp(each) for each in logarithms])
    assert found is not None
    assert level == found.level
    assert found.low == pytest.approx(exp(averages[cut]))
    assert found.high == pytest.approx(exp(averages[-1 - cut]))


def test_interval_at_6_rounds_reaches_from_the_least_to_the_largest() -> None:
    times = up_and_down([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert Estimate(pytest.approx(2**2.5), pytest.approx(1), pytest.approx(32), 0.96875) == estimate(times)


def test_rounds_that_depend_on_each_other_give_a_wider_interval_about_the_same_point() -> None:
    times = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9]
    independent, dependent = estimate(up_and_down(times)), estimate(times)
    assert independent is not None
    assert dependent is not None
    assert dependent.point == independent.point
    wider = log((dependent.high or 0) / (dependent.low or 1)) / log(
        (independent.high or 0) / (independent.low or 1)
    )
    assert wider == pytest.approx(inflation(times))
    assert wider > 2


def test_a_ratio_that_changes_during_a_run_has_an_interval_that_reaches_both_values() -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, 40)
    times = [exp(each) * (1.0 if round_ < 15 else 1.3) for round_, each in enumerate(noise)]
    found = estimate(times)
    assert found is not None
    assert (found.low or 9) <= np.median(times[:15])
    assert (found.high or 0) >= np.median(times[15:])


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_rounds_give_a_point_and_no_interval(n: int) -> None:
    assert Estimate(pytest.approx(3.0)) == estimate([3.0] * n)


def test_nothing_measured_gives_nothing() -> None:
    assert estimate([]) is None
    assert makespan(result(SERIAL, [])) is None
    assert ratio({1: 2.0}, {2: 2.0}) is None
    assert unpaired_ratio([], [1.0]) is None


def test_a_time_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="a time is 0"):
        estimate([1.0, 0])


def test_makespan_is_in_seconds() -> None:
    found = makespan(result(SERIAL, up_and_down([1.9, 1.95, 1.99, 2.01, 2.05, 2.1])))
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(1.9), pytest.approx(2.1))
    assert found.point == pytest.approx(2.0, rel=1e-3)


def test_ratio_pairs_rounds_and_leaves_out_those_that_lack_one() -> None:
    numerator = {round_: 2.0 * 10**round_ for round_ in range(8)}
    denominator = {round_: 1.0 * 10**round_ for round_ in range(2, 10)}
    found = ratio(numerator, denominator)
    assert found is not None
    assert found.level == 0.96875
    assert (found.point, found.low, found.high) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))


def test_unpaired_ratio_cuts_the_ordered_differences_at_mann_and_whitneys() -> None:
    # at 6 against 6: P(U <= 5) = 19 / 924, so 1 - 38 / 924 is the lowest level from 95 % on
    # in an order that shows no dependence, so that nothing is stretched
    order = (0, 3, 2, 5, 1, 4)
    new, old = [exp(2.0**i) for i in order], [exp(0.1 * i) for i in order]
    differences = sorted(log(a / b) for a in new for b in old)
    found = unpaired_ratio(new, old)
    assert found is not None
    assert found.level == pytest.approx(1 - 38 / 924)
    assert log(found.point) == pytest.approx((differences[17] + differences[18]) / 2)
    assert (log(found.low or 0), log(found.high or 0)) == (
        pytest.approx(differences[5]),
        pytest.approx(differences[30]),
    )


def test_an_unpaired_interval_is_stretched_by_the_dependence_of_each_sides_rounds() -> None:
    steady, drifting = [1.0, 1.3, 1.2, 1.5, 1.1, 1.4] * 2, [1.0 + 0.05 * i for i in range(12)]
    alone, one, both = (
        log((found.high or 1) / (found.low or 1))
        for pair in ((steady, steady), (drifting, steady), (drifting, drifting))
        if (found := unpaired_ratio(*pair)) is not None
    )
    assert alone < one < both


def test_unpaired_ratio_of_too_few_has_no_interval() -> None:
    assert Estimate(pytest.approx(2.0)) == unpaired_ratio([2.0] * 9, [1.0] * (FEWEST_ROUNDS - 1))


def test_hundreds_of_rounds_take_no_time() -> None:
    many = list(np.random.default_rng(1).lognormal(0, 0.1, 1000))
    started = perf_counter()
    found = estimate(many)
    assert perf_counter() - started < 2
    assert found is not None
    assert found.level == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("n", "level", "cut"), [(17, 0.9510, 4), (30, 0.9572, 9), (40, 0.9615, 13), (42, 0.9564, 14)]
)
def test_many_rounds_give_the_median_and_the_values_that_the_sign_test_leaves(
    n: int, level: float, cut: int
) -> None:
    logarithms = [1.1**i / 100 for i in range(n)]
    found = estimate([exp(each) for each in up_and_down(logarithms)])
    assert found is not None
    assert found.level == pytest.approx(level, abs=1e-4)
    assert log(found.point) == pytest.approx(np.median(logarithms))
    assert log(found.low or 0) == pytest.approx(logarithms[cut])
    assert log(found.high or 0) == pytest.approx(logarithms[-1 - cut])


@given(st.lists(st.integers(1, 10**6).map(float), min_size=5, max_size=20), st.floats(1e-3, 1e3))
def test_estimate_scales_with_its_values(values: list[float], factor: float) -> None:
    plain, scaled = estimate(values), estimate([value * factor for value in values])
    assert plain is not None
    assert scaled is not None
    expected = plain.scaled(factor)
    assert _figures(expected) == pytest.approx(_figures(scaled))


@given(rounds, rounds)
def test_swapping_the_sides_inverts_the_ratio(one: dict[int, float], other: dict[int, float]) -> None:
    there, back = ratio(one, other), ratio(other, one)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert _figures(there.inverse) == pytest.approx(_figures(back))
        assert there.level == back.level


@given(st.lists(times, min_size=1, max_size=9), st.lists(times, min_size=1, max_size=9))
def test_swapping_the_sides_inverts_the_unpaired_ratio(one: list[float], other: list[float]) -> None:
    there, back = unpaired_ratio(one, other), unpaired_ratio(other, one)
    assert there is not None
    assert back is not None
    assert _figures(there.inverse) == pytest.approx(_figures(back))


@given(st.lists(times, min_size=1, max_size=12), st.data())
def test_a_longer_time_never_lowers_a_point(values: list[float], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    longer = [*values]
    longer[index] *= data.draw(st.floats(1, 100))
    before, after = estimate(values), estimate(longer)
    assert before is not None
    assert after is not None
    assert before.point <= after.point * (1 + 1e-12)
    others = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    unpaired_before, unpaired_after = unpaired_ratio(values, others), unpaired_ratio(longer, others)
    assert unpaired_before is not None
    assert unpaired_after is not None
    assert unpaired_before.point <= unpaired_after.point * (1 + 1e-12)


@given(st.lists(times, min_size=6, max_size=30))
def test_point_lies_within_its_interval_and_that_reaches_no_further_than_the_dependence(
    values: list[float],
) -> None:
    found = estimate(values)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.point <= found.high
    wider = inflation([log(value) for value in values])
    assert found.point * (min(values) / found.point) ** wider <= found.low * (1 + 1e-9)
    assert found.high <= found.point * (max(values) / found.point) ** wider * (1 + 1e-9)


def up_and_down(values: Sequence[float]) -> list[float]:
    """Return ascending values from both ends inwards, so that nothing carries over from a round to the next."""
    return [values[-1 - place // 2] if place % 2 == 0 else values[place // 2] for place in range(len(values))]


def _figures(found: Estimate) -> tuple[float | None, float | None, float | None]:
    return found.point, found.low, found.high
