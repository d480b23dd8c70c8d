from math import exp, log
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    [(5, 0.9375, 0), (6, 0.9375, 1), (7, 0.953125, 2), (8, 0.9453125, 4), (9, 0.9453125, 6)],
)
def test_interval_is_the_achievable_one_closest_to_95_percent(n: int, level: float, cut: int) -> None:
    logarithms = [2.0**i / 100 for i in range(n)]
    averages = sorted((a + b) / 2 for i, a in enumerate(logarithms) for b in logarithms[i:])
    found = estimate([exp(each) for each in logarithms])
    assert found is not None
    assert level == found.level
    assert found.low == pytest.approx(exp(averages[cut]))
    assert found.high == pytest.approx(exp(averages[-1 - cut]))


def test_interval_at_5_rounds_reaches_from_the_least_to_the_largest() -> None:
    assert Estimate(pytest.approx(4), 1.0, pytest.approx(16), 0.9375) == estimate([1.0, 2.0, 4.0, 8.0, 16.0])


@pytest.mark.parametrize("n", [1, 2, 4])
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
    found = makespan(result(SERIAL, [2.0, 2.1, 1.9, 2.05, 1.95]))
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(1.9), pytest.approx(2.1))
    assert found.point == pytest.approx(2.0, rel=1e-3)


def test_ratio_pairs_rounds_and_leaves_out_those_that_lack_one() -> None:
    numerator = {round_: 2.0 * 10**round_ for round_ in range(7)}
    denominator = {round_: 1.0 * 10**round_ for round_ in range(2, 9)}
    found = ratio(numerator, denominator)
    assert found is not None
    assert found.level == 0.9375
    assert (found.point, found.low, found.high) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))


def test_unpaired_ratio_cuts_the_ordered_differences_at_mann_and_whitneys() -> None:
    # at 5 against 5: P(U <= 3) = 7 / 252, so 1 - 14 / 252 is the level closest to 95 %
    new, old = [exp(2.0**i) for i in range(5)], [exp(0.1 * i) for i in range(5)]
    differences = sorted(log(a / b) for a in new for b in old)
    found = unpaired_ratio(new, old)
    assert found is not None
    assert found.level == pytest.approx(1 - 14 / 252)
    assert log(found.point) == pytest.approx(differences[12])
    assert (log(found.low or 0), log(found.high or 0)) == (
        pytest.approx(differences[3]),
        pytest.approx(differences[21]),
    )


def test_unpaired_ratio_of_too_few_has_no_interval() -> None:
    assert Estimate(pytest.approx(2.0)) == unpaired_ratio([2.0] * 9, [1.0] * (FEWEST_ROUNDS - 1))


def test_hundreds_of_rounds_take_no_time() -> None:
    many = list(np.random.default_rng(1).lognormal(0, 0.1, 1000))
    started = perf_counter()
    found = estimate(many)
    assert perf_counter() - started < 2
    assert found is not None
    assert found.level == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("n", "level", "cut"), [(17, 0.9510, 4), (30, 0.9572, 9), (40, 0.9615, 13)])
def test_many_rounds_give_the_median_and_the_values_that_the_sign_test_leaves(
    n: int, level: float, cut: int
) -> None:
    logarithms = [2.0**i / 1e9 for i in range(n)]
    found = estimate([exp(each) for each in np.random.default_rng(1).permutation(logarithms)])
    assert found is not None
    assert found.level == pytest.approx(level, abs=1e-4)
    assert log(found.point) == pytest.approx(np.median(logarithms))
    assert log(found.low or 0) == pytest.approx(logarithms[cut])
    assert log(found.high or 0) == pytest.approx(logarithms[-1 - cut])


@given(st.lists(times, min_size=5, max_size=12), st.floats(1e-3, 1e3))
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
def test_a_longer_time_never_lowers_an_estimate(values: list[float], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(values) - 1))
    longer = [*values]
    longer[index] *= data.draw(st.floats(1, 100))
    before, after = estimate(values), estimate(longer)
    assert before is not None
    assert after is not None
    for less, more in zip(_figures(before), _figures(after), strict=True):
        assert less is None or more is None or less <= more * (1 + 1e-12)


@given(st.lists(times, min_size=5, max_size=30))
def test_point_lies_within_its_interval_and_that_within_the_values(values: list[float]) -> None:
    found = estimate(values)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert min(values) <= found.low * (1 + 1e-12)
    assert found.low <= found.point <= found.high
    assert found.high <= max(values) * (1 + 1e-12)


def _figures(found: Estimate) -> tuple[float | None, float | None, float | None]:
    return found.point, found.low, found.high
