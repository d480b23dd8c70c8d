"""Units, digits and signs of figures."""

from __future__ import annotations

import pytest

from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import (
    evidence,
    exact_level,
    interval,
    level,
    number,
    percent,
    rate,
    seconds,
    size,
    spread,
    times,
)

SPEEDUP = Estimate(1.84, 1.71, 1.96, 0.953)
UNSURE = Estimate(1.84)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (1.234, "1.23"),
        (9.999, "10.0"),
        (123.4, "123"),
        (12345.6, "12,346"),
        (-1.234, "-1.23"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_has_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0 s"),
        (7.891, "7.89 s"),
        (0.99996, "1.00 s"),
        (0.0045678, "4.57 ms"),
        (0.0000123, "12.3 µs"),
        (0.0000000123, "12.3 ns"),
        (-0.002, "-2.00 ms"),
    ],
)
def test_a_time_has_the_unit_that_suits_it(value: float | None, text: str) -> None:
    assert seconds(value) == text


def test_sizes_rates_and_shares_have_their_units() -> None:
    assert [size(each) for each in (1, 999, 2500, 25.3e9)] == ["1 byte", "999 bytes", "2.50 kB", "25.3 GB"]
    assert [rate(each) for each in (None, 2e9)] == ["–", "2,000 MB/s"]
    assert [percent(each) for each in (0.035, 0.12, 1.5)] == ["3.5 %", "12 %", "150 %"]


def test_a_unit_that_both_ends_of_an_interval_share_is_shown_once() -> None:
    assert interval(SPEEDUP) == "1.71–1.96"
    assert interval(SPEEDUP, to=" to ") == "1.71 to 1.96"
    assert interval(Estimate(0.055, 0.0523, 0.0581, 0.95), seconds) == "52.3–58.1 ms"
    assert interval(Estimate(0.001, 0.0008, 0.0012, 0.95), seconds) == "800 µs – 1.20 ms"


def test_a_figure_without_an_interval_has_its_point_alone() -> None:
    assert (times(UNSURE), interval(UNSURE), spread(UNSURE), level(UNSURE)) == ("1.84×", "", "", "")
    assert (times(None), interval(None), spread(None), level(None)) == ("–", "", "", "")
    assert evidence(UNSURE, 3) == "3 rounds"


def test_the_evidence_for_a_ratio_is_its_interval_level_and_rounds() -> None:
    assert evidence(SPEEDUP, 7) == "1.71 to 1.96, 95 % interval, 7 rounds"
    assert spread(SPEEDUP) == "±7%"


def test_one_level_is_shown_and_the_exact_one_on_request() -> None:
    assert level(SPEEDUP, None, Estimate(2.0, 1.0, 3.0, 0.969)) == "95 %"
    assert level(Estimate(2.0, 1.0, 3.0, 0.9)) == "90 %"
    assert level(Estimate(2.0), None) == ""
    assert exact_level(Estimate(2.0, 1.0, 3.0, 0.96875)) == "96.9 %"
    assert exact_level(Estimate(2.0)) == exact_level(None) == ""
