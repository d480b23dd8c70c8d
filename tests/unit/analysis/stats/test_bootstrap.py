from statistics import NormalDist

import pytest

from orchestrator.analysis.stats.bootstrap import bootstrapped, expanded_tail, resamples


def test_a_resample_has_as_many_rounds_and_only_those_there_are() -> None:
    drawn = resamples((2, 3, 5, 7, 11, 13), 50)
    assert len(drawn) == 50
    assert {len(each) for each in drawn} == {6}
    assert {round_ for each in drawn for round_ in each} == {2, 3, 5, 7, 11, 13}


def test_resamples_are_the_same_every_time() -> None:
    assert resamples(range(7)) == resamples(range(7))


def test_too_few_rounds_give_no_resamples_and_no_interval() -> None:
    assert resamples(range(5)) == []
    assert bootstrapped(3.0, [1.0, 5.0], 5).low is None
    assert bootstrapped(3.0, [], 7).low is None


@pytest.mark.parametrize(("rounds", "t"), [(5, 2.776), (7, 2.447), (10, 2.262), (31, 2.042)])
def test_tails_are_those_of_students_t(rounds: int, t: float) -> None:
    # Phi(-sqrt(n / (n - 1)) t), with t from the tables
    assert expanded_tail(rounds) == pytest.approx(
        NormalDist().cdf(-((rounds / (rounds - 1)) ** 0.5) * t), rel=0.05
    )


def test_the_interval_contains_the_point() -> None:
    found = bootstrapped(9.0, [1.0, 2.0, 3.0], 7)
    assert (found.low, found.point, found.high) == (1.0, 9.0, 9.0)
