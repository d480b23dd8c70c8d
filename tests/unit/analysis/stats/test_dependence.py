"""How much rounds depend on each other, and where they change."""

from math import inf, log, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.analysis.stats.dependence import (
    autocorrelation,
    effective_rounds,
    inflation,
    step,
    stretches,
)

Floats = NDArray[np.float64]


def carried_over(share: float, rounds: int, seed: int) -> Floats:
    """Return noise of which each round carries over a share of the one before."""
    rng = np.random.default_rng(seed)
    values = [float(rng.standard_normal())]
    for each in rng.standard_normal(rounds - 1):
        values.append(share * values[-1] + sqrt(1 - share * share) * float(each))
    return np.array(values)


@pytest.mark.parametrize(("share", "ranks"), [(0.0, 0.0), (0.3, 0.287), (0.5, 0.483)])
@pytest.mark.parametrize("rounds", [20, 49])
def test_the_rank_correlation_is_estimated_without_bias(share: float, ranks: float, rounds: int) -> None:
    found = [autocorrelation(carried_over(share, rounds, seed)) for seed in range(600)]
    assert np.mean([each for each in found if each is not None]) == pytest.approx(ranks, abs=0.03)


def test_an_outlier_changes_a_correlation_no_more_than_its_rank() -> None:
    values = [1.0, 2.0, 3.0, 9.0, 4.0, 5.0, 6.0]
    assert autocorrelation(values) == autocorrelation([9e9 if each == 9.0 else each for each in values])


def test_equal_or_too_few_rounds_have_no_correlation_and_no_wider_interval() -> None:
    for values in ([1.0] * 9, [1.0, 2.0, 3.0]):
        assert autocorrelation(values) is None
        assert inflation(values) == 1.0


def test_rounds_that_alternate_do_not_make_an_interval_narrower() -> None:
    assert inflation([1.0, 2.0] * 20) == 1.0


def test_a_wider_interval_is_that_of_the_effective_rounds() -> None:
    assert effective_rounds(49, 0.0) == 49
    assert effective_rounds(60, 0.5) == pytest.approx(20)
    assert effective_rounds(49, -0.5) == 49
    values = carried_over(0.5, 2000, seed=1)
    assert inflation(values) == pytest.approx(sqrt((1 + 0.483) / (1 - 0.483)), rel=0.1)


def test_dependence_makes_few_rounds_at_most_as_much_wider_as_they_can_show() -> None:
    rising = np.arange(10.0)
    assert inflation(rising) == pytest.approx(sqrt((1 + 0.8) / (1 - 0.8)))


@pytest.mark.parametrize("rounds", [12, 49, 112, 500])
def test_undisturbed_rounds_are_one_stretch_in_19_of_20_runs(rounds: int) -> None:
    rng = np.random.default_rng(rounds)
    split = [len(stretches(rng.standard_normal(rounds))) > 1 for _ in range(300)]
    assert np.mean(split) < 0.08


def test_stretches_are_cut_where_the_rounds_change_and_back() -> None:
    noise = np.random.default_rng(2).normal(0, 0.02, 49)
    noise[10:20] += log(1.5)
    assert stretches(noise) == (slice(0, 10), slice(10, 20), slice(20, 49))
    assert stretches(noise[:9]) == (slice(0, 9),)


def test_a_step_is_found_at_its_round() -> None:
    noise = np.random.default_rng(3).normal(0, 0.03, 49)
    noise[20:] += log(1.15)
    assert step(noise) == 20
    assert step(-noise) == 20


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(4).normal(0, 0.03, 49),
        np.linspace(0, 0.3, 49) + np.random.default_rng(4).normal(0, 0.02, 49),
        carried_over(0.6, 49, seed=4),
        np.array([0.0, 0.0, 1.0, 1.0]),
        np.full(20, 1.0),
    ],
    ids=["noise", "drift", "noise that lasts", "too few", "constant"],
)
def test_what_is_no_lasting_change_is_no_step(values: Floats) -> None:
    assert step(values) is None


def test_hundreds_of_rounds_are_split_at_once() -> None:
    noise = np.random.default_rng(5).standard_normal(4000)
    noise[:1000] -= 3
    assert [part.stop for part in stretches(noise)][-1] == 4000
    assert min(abs(part.stop - 1000) for part in stretches(noise)) < 40
    assert inflation(noise) < inf
