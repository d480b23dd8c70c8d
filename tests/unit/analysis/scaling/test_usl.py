from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.scaling.usl import Curve, Refusal, Scalability, fit, law, peak_slots, valley
from orchestrator.phrases.scaling import law_sentence
from tests.unit.analysis.made_runs import STEADY

SLOTS = (1, 2, 4, 8, 16)


def measured(
    curve: Curve, slots: Sequence[int] = SLOTS, factors: Sequence[float] = STEADY
) -> Mapping[int, Mapping[int, float]]:
    """The throughputs of a law, with the factors rotated for each number of slots."""
    return {
        n: {r: law(curve, n) * factors[(r + turn) % len(factors)] for r in range(len(factors))}
        for turn, n in enumerate(slots)
    }


def fitted(curve: Curve, **how: Sequence[float]) -> Scalability:
    found = fit(measured(curve, **how))  # type: ignore[arg-type]
    assert isinstance(found, Scalability), found
    return found


@settings(deadline=None, max_examples=15)
@given(st.floats(0.1, 1e4), st.floats(0, 0.9), st.floats(0, 0.1))
def test_known_parameters_are_recovered(one: float, sigma: float, kappa: float) -> None:
    found = fitted((one, sigma, kappa), factors=[1.0] * 5)
    assert found.lambda_per_s.point == pytest.approx(one, rel=1e-6)
    assert found.sigma.point == pytest.approx(sigma, abs=1e-6)
    assert found.kappa.point == pytest.approx(kappa, abs=1e-6)
    assert found.misfit < 1e-6


def test_noisy_rounds_give_intervals_around_the_truth() -> None:
    found = fitted((10.0, 0.05, 0.002))
    for estimate, truth in ((found.lambda_per_s, 10.0), (found.sigma, 0.05), (found.kappa, 0.002)):
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low <= truth <= estimate.high
    band = found.throughput_per_s(6)
    assert band.low is not None
    assert band.high is not None
    assert band.low <= law((10.0, 0.05, 0.002), 6) <= band.high


def test_contention_and_coherency_are_never_negative() -> None:
    more_than_linear = {n: dict.fromkeys(range(5), 10.0 * n**1.05) for n in SLOTS}
    found = fit(more_than_linear)
    assert isinstance(found, Scalability)
    assert (found.sigma.point, found.kappa.point) == (0.0, 0.0)
    assert found.peak_slots is None


def test_the_peak_is_where_the_law_has_its_highest_throughput() -> None:
    curve = (10.0, 0.05, 0.01)
    peak = peak_slots(curve)
    assert peak == pytest.approx((0.95 / 0.01) ** 0.5)
    assert law(curve, peak) > max(law(curve, peak * 0.9), law(curve, peak * 1.1))
    found = fitted(curve).peak_slots
    assert found is not None
    assert found.point == pytest.approx(peak, rel=0.1)


def test_three_points_are_refused() -> None:
    found = fit(measured((10.0, 0.05, 0.01), (1, 2, 4)))
    assert isinstance(found, Refusal)
    assert (found.kind, found.figures["points"]) == ("too few points", 3)
    assert "it was measured on 3 numbers of slots, and any three fit a law" in law_sentence(found)


def test_slots_beyond_the_cores_are_left_out() -> None:
    found = fit(measured((10.0, 0.05, 0.01)), servable=2.0)
    assert isinstance(found, Refusal)
    assert found.kind == "more slots than cores"
    assert "the cores can run 2 slots of this work at once, so only 2 of 5" in law_sentence(found)
    enough = fit(measured((10.0, 0.05, 0.01)), servable=8.0)
    assert isinstance(enough, Scalability)
    assert (enough.points, enough.left_out) == ((1, 2, 4, 8), (16,))


def test_a_valley_is_refused() -> None:
    found = fit({n: dict.fromkeys(range(6), x) for n, x in ((1, 10.0), (2, 5.0), (4, 20.0), (8, 40.0))})
    assert isinstance(found, Refusal)
    assert (found.kind, found.figures) == ("valley", {"slots": 2, "before": 1, "after": 4})
    assert "lower on 2 slots than on 1 and on 4" in law_sentence(found)


def test_a_dip_within_the_margin_is_no_valley() -> None:
    dip = ((1, 10.0), (2, 19.0), (4, 18.9), (8, 30.0))
    assert valley({n: dict.fromkeys(range(7), x) for n, x in dip}) is None


@pytest.mark.parametrize(("rounds", "noise"), [(7, 0.05), (7, 0.3), (20, 0.3)])
def test_a_plateau_is_hardly_ever_taken_for_a_valley(rounds: int, noise: float) -> None:
    rng = np.random.default_rng(91)
    refused = 0
    for _ in range(200):
        rates = np.exp(rng.normal(0, noise, (10, rounds)))
        refused += valley({n + 1: dict(enumerate(each)) for n, each in enumerate(rates.tolist())}) is not None
    assert refused <= 200 * 0.02


def test_points_far_off_any_curve_are_refused() -> None:
    found = fit(
        {n: dict.fromkeys(range(5), x) for n, x in ((1, 10.0), (2, 10.0), (4, 10.0), (8, 80.0), (16, 80.0))}
    )
    assert isinstance(found, Refusal)
    assert found.kind == "misfit"


def test_noise_that_hides_contention_is_refused() -> None:
    rng = np.random.default_rng(7)
    noisy = {
        n: {r: law((10.0, 0.2, 0.0), n) * float(np.exp(rng.normal(0, 0.6))) for r in range(5)} for n in SLOTS
    }
    found = fit(noisy)
    assert isinstance(found, Refusal)
    assert found.kind in ("noise", "misfit")


def test_common_rounds_are_needed() -> None:
    found = fit({n: {n: 10.0 * n} for n in SLOTS})
    assert isinstance(found, Refusal)
    assert found.kind == "no common round"


def test_few_rounds_give_points_without_intervals() -> None:
    found = fitted((10.0, 0.05, 0.01), factors=[1.0, 1.01])
    assert (found.lambda_per_s.low, found.sigma.low) == (None, None)
