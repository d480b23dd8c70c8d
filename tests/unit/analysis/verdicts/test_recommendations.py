from dataclasses import replace

import pytest

from orchestrator.analysis.queueing.service_demands import demands_of
from orchestrator.analysis.verdicts.recommendations import Advice, advice, savings
from tests.unit.analysis.made_fleets import CELERY, SERIAL, fleet_run, plain_result
from tests.unit.analysis.made_runs import STEADY

ONE = replace(CELERY, slots=2)
FOUR = replace(ONE, chunk=4)
INLINE = replace(ONE, transport="inline")
RESIDENT = replace(ONE, data="resident")


def test_each_kind_of_change_has_its_largest_saving() -> None:
    cells = [
        plain_result(cell, s) for cell, s in ((ONE, 0.24), (FOUR, 0.12), (INLINE, 0.48), (RESIDENT, 0.06))
    ]
    found = {each.change: each for each in savings(cells, 0.05)}
    assert set(found) == {"chunk", "transport", "data"}
    assert found["transport"].better == ONE
    assert found["data"].saved_s == pytest.approx(0.18 / 24, rel=0.001)


def test_a_change_within_the_margin_or_the_noise_is_no_saving() -> None:
    wild = (1.0, 2.5, 0.4, 1.6, 0.6, 1.15, 0.85)
    assert savings([plain_result(ONE, 0.24), plain_result(FOUR, 0.235)], 0.05) == ()
    assert savings([plain_result(ONE, 0.24), plain_result(FOUR, 0.2, factors=wild)], 0.05) == ()
    assert savings([plain_result(ONE, 0.24, factors=STEADY[:4]), plain_result(FOUR, 0.1)], 0.05) == ()


def test_cells_that_differ_in_two_things_are_not_compared() -> None:
    assert savings([plain_result(ONE, 0.24), plain_result(replace(FOUR, data="resident"), 0.1)], 0.05) == ()


def test_advice_is_only_about_the_kernel_of_the_verdict() -> None:
    # For a slow kernel a small chunk saves much; the verdict's kernel has no chunk that saves significantly.
    slow = [(replace(cell, kernel="requests"), time) for cell, time in ((ONE, 2.0), (FOUR, 4.0))]
    quick = [(ONE, 0.24), (FOUR, 0.24)]
    cells = [plain_result(cell, time) for cell, time in (*slow, *quick)]
    assert {each.change for each in savings(cells, 0.05)} == {"chunk"}
    run = fleet_run(plain_result(SERIAL, 1.0), *cells)
    assert advice(run, "download", demands_of(run)) == Advice(())


def test_incorrect_cells_are_no_basis_for_advice() -> None:
    bad = plain_result(FOUR, 0.01)
    bad = replace(bad, samples=tuple(replace(each, wrong=1) for each in bad.samples))
    run = fleet_run(plain_result(ONE, 0.24), bad)
    assert advice(run, "download", demands_of(run)) == Advice(())
