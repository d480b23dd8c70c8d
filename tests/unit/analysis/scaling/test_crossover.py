from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.scaling.crossover import BreakEven, SweepPoint, break_even, interpolation
from tests.unit.analysis.made_runs import STEADY

AXIS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)


def sweep(ratios: list[float], factors: tuple[float, ...] = STEADY) -> BreakEven:
    """A sweep along `AXIS` with these ratios and the factors rotated for each point."""
    return break_even(
        [
            SweepPoint(at, {r: ratio * factors[(r + turn) % len(factors)] for r in range(len(factors))})
            for turn, (at, ratio) in enumerate(zip(AXIS, ratios, strict=True))
        ]
    )


@given(st.floats(1.5, 600.0), st.floats(0.2, 1.0))
def test_a_straight_crossover_is_found_where_it_is(truth: float, slope: float) -> None:
    found = sweep([(at / truth) ** -slope for at in AXIS])
    assert found.kind == "crosses"
    (crossover,) = found.crossovers
    assert crossover.at == pytest.approx(truth, rel=0.1)
    assert crossover.pays_above
    assert crossover.low is None or crossover.low <= truth * 1.001
    assert crossover.high is None or crossover.high >= truth * 0.999


def test_a_steady_crossover_has_an_interval_within_the_range_at_the_level_of_the_rounds() -> None:
    (crossover,) = sweep([8.0, 4.0, 2.0, 0.5, 0.25, 0.125]).crossovers
    assert crossover.low is not None
    assert crossover.high is not None
    assert 16 < crossover.low < crossover.at == pytest.approx(32, rel=0.05)
    assert crossover.at < crossover.high < 64
    assert crossover.level == pytest.approx(0.953, abs=0.001)


def test_paying_below_a_crossover_differs_from_paying_above_it() -> None:
    (crossover,) = sweep([0.125, 0.25, 0.5, 2.0, 4.0, 8.0]).crossovers
    assert not crossover.pays_above


def test_one_side_in_the_whole_range_is_always_or_never() -> None:
    assert sweep([0.5] * 6).kind == "always"
    assert sweep([2.0] * 6).kind == "never"
    assert (sweep([2.0] * 6).low, sweep([2.0] * 6).high) == (1.0, 1024.0)


def test_two_crossovers_are_both_found() -> None:
    found = sweep([4.0, 2.0, 0.4, 0.4, 2.0, 4.0])
    assert found.kind == "several"
    assert [crossover.pays_above for crossover in found.crossovers] == [True, False]


def test_a_ratio_that_only_comes_near_1_does_not_cross() -> None:
    found = sweep([4.0, 2.0, 1.5, 1.3, 1.2, 1.01])
    assert found.kind in ("never", "crosses")
    assert found.unclear[-1][1] == pytest.approx(1024.0)
    assert all(crossover.high is None for crossover in found.crossovers)


def test_an_unclear_end_near_1_is_no_side_of_a_crossover() -> None:
    """The estimate passes 1 at the low end, where the truth may be 1.02: no reason to claim that Celery pays."""
    found = sweep([0.985, 1.0, 1.01, 1.02, 1.1, 1.4], (1.0, 1.06, 0.94, 1.04, 0.96, 1.02, 0.98))
    assert (found.kind, found.crossovers) == ("never", ())
    assert found.unclear[0][0] == pytest.approx(1.0)
    mirrored = sweep([1.4, 1.1, 1.02, 1.01, 1.0, 0.985], (1.0, 1.06, 0.94, 1.04, 0.96, 1.02, 0.98))
    assert (mirrored.kind, mirrored.crossovers) == ("never", ())


def test_a_crossover_without_a_significant_point_on_its_other_side_is_a_guess() -> None:
    wild = (1.0, 1.25, 0.8, 1.15, 0.87, 1.1, 0.9)
    found = sweep([0.93, 0.97, 1.02, 1.2, 1.5, 2.0], wild)
    assert (found.kind, found.pays) == ("perhaps", False)
    assert (found.crossovers[0].low, found.crossovers[0].pays_above) == (None, False)
    found = sweep([2.0, 1.5, 1.2, 1.02, 0.95, 0.887], wild)
    assert (found.kind, found.pays) == ("perhaps", False)
    (crossover,) = found.crossovers
    assert (crossover.high, crossover.pays_above) == (None, True)
    assert (crossover.low or 0) < 64 < crossover.at < 256


def test_a_guess_beyond_points_that_pay_says_that_celery_pays() -> None:
    wild = (1.0, 1.25, 0.8, 1.15, 0.87, 1.1, 0.9)
    found = sweep([0.5, 0.6, 0.8, 0.98, 1.05, 1.12], wild)
    assert (found.kind, found.pays) == ("perhaps", True)


def test_a_difference_within_what_equal_cells_differ_by_is_no_side() -> None:
    points = [SweepPoint(at, dict.fromkeys(range(7), 1.2 if at < 16 else 0.9)) for at in AXIS]
    assert break_even(points, margin=0.05).kind == "crosses"
    assert break_even(points, margin=0.15).kind == "never"


def test_ratios_within_the_margin_everywhere_are_undecided() -> None:
    assert sweep([1.02, 1.01, 1.0, 0.99, 0.98, 0.97]).kind == "undecided"


def test_too_few_rounds_or_points_are_undecided() -> None:
    assert sweep([8.0, 4.0, 2.0, 0.5, 0.25, 0.125], STEADY[:4]).kind == "undecided"
    points = [SweepPoint(at, dict.fromkeys(range(7), at / 10)) for at in AXIS[:3]]
    assert break_even(points).kind == "undecided"


def test_only_rounds_that_every_point_has_are_used() -> None:
    points = [SweepPoint(at, dict.fromkeys(range(7), 10 / at)) for at in AXIS]
    points[0] = SweepPoint(1.0, dict.fromkeys(range(3, 7), 10.0))
    assert break_even(points).kind == "undecided"


@pytest.mark.parametrize("points", [[], [SweepPoint(0.0, {0: 1.0})]])
def test_an_axis_without_a_logarithm_is_refused(points: list[SweepPoint]) -> None:
    with pytest.raises(ValueError, match="must lie above 0"):
        break_even(points)


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.floats(log(1), log(1024)))
def test_interpolation_is_exact_for_a_cubic(coefficients: list[float], place: float) -> None:
    axis = np.array([log(at) for at in AXIS])
    values = np.polyval(coefficients, axis / 7)
    (found,) = interpolation(axis, np.array([place])) @ values
    assert found == pytest.approx(float(np.polyval(coefficients, place / 7)), abs=1e-8)


def test_the_interval_covers_as_often_as_its_level_says() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(300):
        truth = exp(rng.uniform(log(4), log(256)))
        points = [
            SweepPoint(at, {r: (at / truth) ** -0.5 * float(np.exp(rng.normal(0, 0.1))) for r in range(7)})
            for at in AXIS
        ]
        covered += any(
            (each.low or 0) <= truth <= (each.high or 1e9) for each in break_even(points).crossovers
        )
    assert 0.92 <= covered / 300 <= 0.985
