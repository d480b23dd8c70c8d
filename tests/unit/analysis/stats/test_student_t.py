import pytest

from orchestrator.analysis.stats.student_t import quantile, two_sided_p


# Abramowitz & Stegun, table 26.10, and closed forms for 1 and 2 degrees of freedom.
@pytest.mark.parametrize(
    ("level", "freedom", "t"),
    [
        (0.5, 1, 1.0),
        (0.95, 1, 12.7062),
        (0.95, 2, 4.3027),
        (0.95, 3, 3.1824),
        (0.99, 4, 4.6041),
        (0.95, 5, 2.5706),
        (0.95, 10, 2.2281),
        (0.999, 15, 4.0728),
        (0.95, 120, 1.9799),
    ],
)
def test_quantiles_are_those_of_the_published_table(level: float, freedom: int, t: float) -> None:
    assert quantile(level, freedom) == pytest.approx(t, rel=1e-4)
    assert two_sided_p(-t, freedom) == pytest.approx(1 - level, rel=1e-3)


def test_no_distance_is_no_evidence_and_a_huge_one_is_certain() -> None:
    assert two_sided_p(0.0, 7) == 1.0
    assert two_sided_p(1e9, 7) == pytest.approx(0.0, abs=1e-12)


def test_there_is_no_distribution_without_freedom() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        two_sided_p(1.0, 0)
