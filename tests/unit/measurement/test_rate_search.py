from __future__ import annotations

import pytest

from orchestrator.measurement.rate_search import MAX_PROBES, PRECISION, RateSearch


def searched(capacity: float, start: float, lowest: float = 1.0, highest: float = 10_000.0) -> RateSearch:
    search = RateSearch(start, lowest, highest)
    while (rate := search.next_rate()) is not None:
        assert lowest <= rate <= highest
        search.found(rate, rate <= capacity)
    return search


@pytest.mark.parametrize("capacity", [3.0, 47.0, 1234.0])
@pytest.mark.parametrize("start", [5.0, 50.0, 400.0])
def test_the_largest_sustained_rate_is_found_within_ten_percent(capacity, start):
    search = searched(capacity, start)
    assert search.sustained <= capacity < search.failed <= search.sustained * PRECISION
    assert search.probes <= MAX_PROBES


def test_a_capacity_beyond_what_can_be_sent_ends_at_that():
    search = searched(1e9, 50.0, highest=300.0)
    assert (search.sustained, search.failed) == (300.0, None)


def test_a_capacity_below_what_can_be_measured_is_not_found():
    search = searched(0.1, 50.0)
    assert (search.sustained, search.failed) == (None, 1.0)


def test_a_rate_that_cannot_be_told_counts_as_not_sustained():
    search = RateSearch(50.0, 1.0, 1000.0)
    search.found(50.0, None)
    assert search.next_rate() == 25.0


@pytest.mark.parametrize(("capacity", "end"), [(1e9, 12_300.0), (0.0, 0.667)])
def test_a_limit_with_more_digits_than_a_rate_ends_the_search_where_it_is_reached(capacity, end):
    search = RateSearch(50.0, 2 / 3, 12_345.0)
    tried = []
    while (rate := search.next_rate()) is not None:
        tried.append(rate)
        search.found(rate, rate <= capacity)
    assert tried[-1] == end
    assert len(set(tried)) == len(tried)
