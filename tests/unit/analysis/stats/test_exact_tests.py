from itertools import combinations, permutations, product

import numpy as np
import pytest

from orchestrator.analysis.stats import exact_tests


@pytest.fixture(scope="module")
def stats():
    # Imported here: it takes a second, which each process of the test run would spend to collect the tests.
    from scipy import stats  # noqa: PLC0415

    return stats


@pytest.mark.parametrize("n", [1, 2, 5, 7, 9])
def test_signed_rank_equals_the_enumeration_of_all_signs(n: int) -> None:
    sums = [sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in product((0, 1), repeat=n)]
    expected = [sum(each <= k for each in sums) / 2**n for k in range(n * (n + 1) // 2 + 1)]
    np.testing.assert_allclose(expected, exact_tests.signed_rank(n), rtol=1e-12)


@pytest.mark.parametrize("n", [5, 8, 9, 20])
def test_signed_rank_equals_scipys_exact_test(stats, n: int) -> None:
    values = np.arange(1, n + 1) * np.where(np.arange(n) % 3 == 0, -1.0, 1.0)
    statistic = int(-values[values < 0].sum())
    expected = stats.wilcoxon(values, alternative="greater", method="exact").pvalue
    assert exact_tests.signed_rank(n)[statistic] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (3, 3), (4, 5)])
def test_rank_sum_equals_the_enumeration_of_all_orders(m: int, n: int) -> None:
    counts = [sum(each) - m * (m - 1) // 2 for each in combinations(range(m + n), m)]
    expected = [sum(each <= k for each in counts) / len(counts) for k in range(m * n + 1)]
    np.testing.assert_allclose(expected, exact_tests.rank_sum(m, n), rtol=1e-12)


@pytest.mark.parametrize(("m", "n"), [(5, 5), (7, 9), (20, 15)])
def test_rank_sum_equals_scipys_exact_test(stats, m: int, n: int) -> None:
    low, high = np.arange(m) * 2.0, np.arange(n) * 2.0 + m / 2 + 0.3
    outcome = stats.mannwhitneyu(low, high, alternative="less", method="exact")
    assert exact_tests.rank_sum(m, n)[int(outcome.statistic)] == pytest.approx(outcome.pvalue, rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_kendall_equals_the_enumeration_of_all_orders(n: int) -> None:
    counts = [sum(a > b for a, b in combinations(order, 2)) for order in permutations(range(n))]
    expected = [sum(each <= k for each in counts) / len(counts) for k in range(n * (n - 1) // 2 + 1)]
    np.testing.assert_allclose(expected, exact_tests.kendall(n), rtol=1e-12)


def test_kendall_equals_scipys_exact_test(stats) -> None:
    values = [1, 3, 2, 5, 4, 6, 8, 7, 9]
    expected = stats.kendalltau(range(9), values, method="exact", alternative="greater").pvalue
    assert exact_tests.kendall(9)[3] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("approximate", "exact"),
    [
        (exact_tests.rank_sum(41, 40), exact_tests.rank_sum.__wrapped__),
        (exact_tests.kendall(61), exact_tests.kendall.__wrapped__),
    ],
    ids=["rank sum", "kendall"],
)
def test_normal_approximation_takes_over_within_two_thousandths(
    approximate: np.ndarray, exact: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("EXACT_RANK_SUM", "EXACT_KENDALL"):
        monkeypatch.setattr(exact_tests, limit, 10**9)
    sizes = {1641: (41, 40), 1831: (61,)}[len(approximate)]
    np.testing.assert_allclose(exact(*sizes), approximate, atol=2e-3)


@pytest.mark.parametrize(
    "counts", [(0, 20, 1, 1200), (3, 400, 12, 390), (0, 5, 0, 7), (5, 5, 0, 7), (40, 99, 41, 101)]
)
def test_equal_shares_equals_scipys_fisher_test(stats, counts: tuple[int, int, int, int]) -> None:
    one, of_one, other, of_other = counts
    expected = stats.fisher_exact([[one, of_one - one], [other, of_other - other]]).pvalue
    assert exact_tests.equal_shares_p(*counts) == pytest.approx(expected, rel=1e-6)
