"""Recommendations in words: advice, savings and the cost of task events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.analysis.verdicts.recommendations import events_costs, savings
from orchestrator.model.environment import Worker
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Run
from orchestrator.phrases.recommendations import (
    _more_workers,
    advice_sentences,
    conclusions,
    events_sentence,
    saving_sentence,
)
from tests.unit.analysis.made_fleets import SERIAL, celery_result, fleet_run, plain_result
from tests.unit.analysis.made_runs import REDIS, result, run_at, run_of
from tests.unit.analysis.verdicts.test_events_cost import OFF, ON, pair, times
from tests.unit.analysis.verdicts.test_recommendations import FOUR, ONE


def said(run: Run) -> tuple[str, ...]:
    found = analyse(run).advice.get("download")
    return () if found is None else tuple(advice_sentences(found))


def test_a_larger_chunk_that_was_measured_to_save_is_advised_with_what_it_saves() -> None:
    run = fleet_run(plain_result(SERIAL, 1.0), plain_result(ONE, 0.24), plain_result(FOUR, 0.12))
    assert said(run) == (
        "chunk 4 instead of 1 saves 5 ms a task: 2.00 times as fast (2.00 to 2.00, 95 % interval, 7 rounds).",
    )


def test_advice_names_the_station_that_limits_the_best_cell() -> None:
    text = said(fleet_run(celery_result(1), celery_result(2)))
    assert text[0].startswith("2 slots instead of 1 saves 52")
    assert text[-1].startswith(
        "on 2 slots Celery is limited by the slots (105 ms a task); more would help up to about 25"
    )
    slow = fleet_run(celery_result(4, publish_s=0.08, makespan_s=24 * 0.0805 + 0.105))
    text = said(slow)[-1:]
    assert (
        "the orchestrator's one thread, which mostly publishes (80.5 ms a task), so more slots would hardly help"
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


def test_a_cost_whose_interval_contains_zero_may_be_nothing():
    unsteady = [0.1 * each for each in (1.2, 0.8, 1.1, 0.9, 1.15, 0.85, 1.0)]
    (cost,) = events_costs(run_of(result(OFF, times(0.1)), result(ON, unsteady)))
    assert events_sentence(cost).endswith("7 rounds), which may be nothing.")


def test_a_cell_that_is_faster_with_events_has_an_unknown_cost():
    (cost,) = events_costs(run_of(*pair(0.120, 0.100)))
    assert "-17 % (-17 to -17 %, 95 % interval, 7 rounds): less than nothing" in events_sentence(cost)
    assert "may be nothing" not in events_sentence(cost)


def test_too_few_rounds_give_a_share_without_an_interval():
    (cost,) = events_costs(run_of(result(OFF, [0.1, 0.1]), result(ON, [0.103, 0.103])))
    assert events_sentence(cost).endswith("3.0 % (2 rounds), which may be nothing.")


def test_the_cost_is_among_the_recommendations_of_a_run_and_of_a_sweep():
    run = run_of(*pair(0.100, 0.112))
    (cost,) = events_costs(run)
    assert events_sentence(cost) in conclusions(analyse(run))
    assert events_sentence(cost) in conclusions(analyse(replace(run, plan=replace(run.plan, axis="size"))))


def test_resident_data_saves_only_where_data_may_stay() -> None:
    found = savings([plain_result(ONE, 0.24), plain_result(replace(ONE, data="resident"), 0.06)], 0.05)
    assert "where inputs and outputs may stay in the payload store" in saving_sentence(found[0])


def test_a_faster_pool_says_what_it_gives_up() -> None:
    prefork, solo = (replace(ONE, pool=pool) for pool in ("prefork", "solo"))
    (saving,) = savings([plain_result(prefork, 0.24), plain_result(solo, 0.18)], 0.05)
    said = saving_sentence(saving)
    assert said.startswith("pool solo instead of prefork saves")
    assert "where no task needs a time limit, which only prefork enforces" in said


@pytest.mark.parametrize("compose", [True, False])
def test_slots_to_add_are_told_as_compose_starts_them_where_workers_are_its_service(compose: bool) -> None:
    run = run_at({SERIAL: 2.0, REDIS: 1.0})
    workers = (Worker("slot1@a", 2, 2.0, "3.13.0"),)
    run = replace(run, environment=replace(run.environment, workers=workers, compose=compose))
    cost = Cost(
        "grayscale", "serial", "predicted", REDIS, SERIAL, 1.0, 8, 2, shared=True, slots=Estimate(9.0)
    )
    said = "for that many slots: 'docker compose up --scale worker=5', or WORKERS=5 in .env."
    assert list(_more_workers(run, [cost])) == [said] * compose
