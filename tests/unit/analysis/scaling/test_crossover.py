from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.scaling.crossover import BreakEven, SweepPoint, break_even, interpolation
from tests.unit.analysis.made_runs import STEADY

AXIS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)


def sweep(ratios: list[float], factors: tuple[float, ...] = STEADY) -> BreakEven:
    """A sweep along `AXIS` whose ratios are given, each point with its own turn of the factors."""
    return break_even(
        [
            SweepPoint(at, {r: ratio * factors[(r + turn) % len(factors)] for r in range(len(factors))})
            for turn, (at, ratio) in enumerate(zip(AXIS, ratios, strict=True))
        ]
    )


@given(st.floats(1.5, 600.0), st.floats(0.2, 1.0))
def test_a_straight_crossing_is_found_where_it_is(truth: float, slope: float) -> None:
    found = sweep([(at / truth) ** -slope for at in AXIS])
    assert found.kind == "crosses"
    (crossing,) = found.crossings
    assert crossing.at == pytest.approx(truth, rel=0.1)
    assert crossing.pays_above
    assert crossing.low is None or crossing.low <= truth * 1.001
    assert crossing.high is None or crossing.high >= truth * 0.999


def test_a_steady_crossing_has_an_interval_within_the_range_and_the_level_of_the_rounds() -> None:
    (crossing,) = sweep([8.0, 4.0, 2.0, 0.5, 0.25, 0.125]).crossings
    assert crossing.low is not None
    assert crossing.high is not None
    assert 16 < crossing.low < crossing.at == pytest.approx(32, rel=0.05)
    assert crossing.at < crossing.high < 64
    assert crossing.level == pytest.approx(0.953, abs=0.001)


def test_paying_below_a_place_is_told_from_paying_above_it() -> None:
    (crossing,) = sweep([0.125, 0.25, 0.5, 2.0, 4.0, 8.0]).crossings
    assert not crossing.pays_above


def test_always_and_never_are_what_they_say() -> None:
    assert sweep([0.5] * 6).kind == "always"
    assert sweep([2.0] * 6).kind == "never"
    assert (sweep([2.0] * 6).low, sweep([2.0] * 6).high) == (1.0, 1024.0)


def test_two_crossings_are_both_found() -> None:
    found = sweep([4.0, 2.0, 0.4, 0.4, 2.0, 4.0])
    assert found.kind == "several"
    assert [crossing.pays_above for crossing in found.crossings] == [True, False]


def test_a_ratio_that_only_comes_near_1_does_not_cross() -> None:
    found = sweep([4.0, 2.0, 1.5, 1.3, 1.2, 1.01])
    assert found.kind in ("never", "crosses")
    assert found.unsure[-1][1] == pytest.approx(1024.0)
    assert all(crossing.high is None for crossing in found.crossings)


def test_an_end_that_is_near_1_and_unsure_is_no_side_that_a_crossing_could_lead_to() -> None:
    """The middle wiggles across 1 at the low end, where the truth may be 1.02: Celery is not said to pay there."""
    found = sweep([0.985, 1.0, 1.01, 1.02, 1.1, 1.4], (1.0, 1.06, 0.94, 1.04, 0.96, 1.02, 0.98))
    assert (found.kind, found.crossings) == ("never", ())
    assert found.unsure[0][0] == pytest.approx(1.0)
    mirrored = sweep([1.4, 1.1, 1.02, 1.01, 1.0, 0.985], (1.0, 1.06, 0.94, 1.04, 0.96, 1.02, 0.98))
    assert (mirrored.kind, mirrored.crossings) == ("never", ())


def test_an_end_beyond_the_margin_is_a_side_even_where_it_is_unsure() -> None:
    found = sweep([0.93, 0.97, 1.02, 1.2, 1.5, 2.0], (1.0, 1.25, 0.8, 1.15, 0.87, 1.1, 0.9))
    assert found.kind == "crosses"
    assert (found.crossings[0].low, found.crossings[0].pays_above) == (None, False)


def test_ratios_within_the_margin_everywhere_are_undecided() -> None:
    assert sweep([1.02, 1.01, 1.0, 0.99, 0.98, 0.97]).kind == "undecided"


def test_too_few_rounds_or_points_are_undecided() -> None:
    assert sweep([8.0, 4.0, 2.0, 0.5, 0.25, 0.125], STEADY[:4]).kind == "undecided"
    points = [SweepPoint(at, dict.fromkeys(range(7), at / 10)) for at in AXIS[:3]]
    assert break_even(points).kind == "undecided"


def test_only_rounds_that_every_point_has_count() -> None:
    points = [SweepPoint(at, dict.fromkeys(range(7), 10 / at)) for at in AXIS]
    points[0] = SweepPoint(1.0, dict.fromkeys(range(3, 7), 10.0))
    assert break_even(points).kind == "undecided"


@pytest.mark.parametrize("points", [[], [SweepPoint(0.0, {0: 1.0})]])
def test_an_axis_that_has_no_logarithm_is_refused(points: list[SweepPoint]) -> None:
    with pytest.raises(ValueError, match="lie above 0"):
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
            (each.low or 0) <= truth <= (each.high or 1e9) for each in break_even(points).crossings
        )
    assert 0.92 <= covered / 300 <= 0.985
