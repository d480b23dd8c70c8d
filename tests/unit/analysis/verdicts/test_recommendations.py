from dataclasses import replace

import pytest

from orchestrator.analysis.verdicts.recommendations import advice, savings
from orchestrator.model.runs import Run
from orchestrator.phrases.recommendations import advice_sentences, saving_sentence
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result
from tests.unit.analysis.made_runs import STEADY

ONE = replace(CELERY, slots=2)
FOUR = replace(ONE, chunk=4)
INLINE = replace(ONE, transport="inline")
RESIDENT = replace(ONE, data="resident")


def said(run: Run) -> tuple[str, ...]:
    found = advice(run, "download")
    return () if found is None else tuple(advice_sentences(found))


def test_a_larger_chunk_that_was_measured_to_save_is_advised_with_what_it_saves() -> None:
    run = fleet_run(plain_result(SERIAL, 1.0), plain_result(ONE, 0.24), plain_result(FOUR, 0.12))
    assert said(run) == (
        "chunk 4 instead of 1 saves 5 ms a task: 2.00 times as fast (2.00 to 2.00, 95 % interval, 7 rounds).",
    )


def test_each_kind_of_change_has_its_largest_saving() -> None:
    cells = [
        plain_result(cell, s) for cell, s in ((ONE, 0.24), (FOUR, 0.12), (INLINE, 0.48), (RESIDENT, 0.06))
    ]
    found = {each.change: each for each in savings(cells, 0.05)}
    assert set(found) == {"chunk", "transport", "data"}
    assert found["transport"].better == ONE
    assert found["data"].saved_s == pytest.approx(0.18 / 24, rel=0.001)
    assert "where inputs and outputs may stay in the payload store" in saving_sentence(found["data"])


def test_a_change_within_the_margin_or_the_noise_is_no_advice() -> None:
    wild = (1.0, 2.5, 0.4, 1.6, 0.6, 1.15, 0.85)
    assert savings([plain_result(ONE, 0.24), plain_result(FOUR, 0.235)], 0.05) == ()
    assert savings([plain_result(ONE, 0.24), plain_result(FOUR, 0.2, factors=wild)], 0.05) == ()
    assert savings([plain_result(ONE, 0.24, factors=STEADY[:4]), plain_result(FOUR, 0.1)], 0.05) == ()


def test_cells_that_differ_in_two_things_are_not_compared() -> None:
    assert savings([plain_result(ONE, 0.24), plain_result(replace(FOUR, data="resident"), 0.1)], 0.05) == ()


def test_what_holds_the_best_cell_back_is_said_from_its_stations() -> None:
    text = said(fleet_run(celery_result(1), celery_result(2)))
    assert text[0].startswith("2 slots instead of 1 saves 52")
    assert text[-1].startswith(
        "on 2 slots Celery is limited by the slots (105 ms a task); more help up to about 25"
    )
    slow = fleet_run(celery_result(4, publish_s=0.08, makespan_s=24 * 0.0805 + 0.105))
    text = said(slow)[-1:]
    assert (
        "the orchestrator's one thread, which mostly publishes (80.5 ms a task), so more slots do not help"
        in text[0]
    )
    assert "What would help: a larger --chunk" in text[0]
    never = replace(slow, cells=(plain_result(SERIAL, 0.1), *slow.cells))
    assert (
        "No number of slots would make Celery the fastest choice (COST, predicted): publishing and collecting limits"
        in said(never)[-1]
    )
    over_slots = fleet_run(celery_result(1), celery_result(2))
    assert said(replace(over_slots, plan=replace(over_slots.plan, axis="slots"))) == ()


def test_advice_is_of_the_verdicts_kernel_alone() -> None:
    # For a slow kernel a small chunk saves much; the verdict's kernel has no chunk that surely saves.
    slow = [(replace(cell, kernel="requests"), time) for cell, time in ((ONE, 2.0), (FOUR, 4.0))]
    quick = [(ONE, 0.24), (FOUR, 0.24)]
    cells = [plain_result(cell, time) for cell, time in (*slow, *quick)]
    assert {each.change for each in savings(cells, 0.05)} == {"chunk"}
    assert said(fleet_run(plain_result(SERIAL, 1.0), *cells)) == ()


def test_unsound_cells_advise_nothing() -> None:
    bad = plain_result(FOUR, 0.01)
    bad = replace(bad, samples=tuple(replace(each, wrong=1) for each in bad.samples))
    assert said(fleet_run(plain_result(ONE, 0.24), bad)) == ()
