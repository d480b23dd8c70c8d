"""What `predict` says: what a fleet would take, and whether that beats what there is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.commands.prediction import Asked, as_document, forecasts, render
from orchestrator.errors import UsageError
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result
from tests.unit.reports.made_runs import every_run

RUN = fleet_run(plain_result(SERIAL, 1.2), celery_result(1), celery_result(2))
FOUR = Asked.checked(4, None, None, None, None, None)


def test_a_forecast_is_held_against_the_best_in_process_cell():
    (found,) = forecasts(RUN, FOUR)
    assert found.versus == SERIAL
    assert found.versus_per_s == pytest.approx(20, rel=0.02)
    assert found.speedup is not None
    assert found.speedup.point == pytest.approx(found.prediction.throughput_per_s.point / 20, rel=0.02)
    assert "serial with session did 20.0 tasks/s here: Celery would do 1.8" in render([found]).replace(
        "\n", " "
    )


def test_the_speedups_interval_has_the_baselines_uncertainty_too():
    wild = (1.0, 1.5, 0.7, 1.3, 0.8, 1.2, 0.9)
    (steady,) = forecasts(fleet_run(plain_result(SERIAL, 1.2, factors=(1.0,) * 7), celery_result(2)), FOUR)
    (shaky,) = forecasts(fleet_run(plain_result(SERIAL, 1.2, factors=wild), celery_result(2)), FOUR)
    assert steady.prediction.throughput_per_s == shaky.prediction.throughput_per_s
    assert shaky.speedup.high / shaky.speedup.low > 1.3 * steady.speedup.high / steady.speedup.low


def test_noise_that_a_round_gives_to_both_sides_cancels_in_the_speedup():
    shared = (1.0, 1.3, 0.8, 1.2, 0.85, 1.1, 0.9)
    (found,) = forecasts(
        fleet_run(plain_result(SERIAL, 1.2, factors=shared), celery_result(2, factors=shared)), FOUR
    )
    of_throughput = found.prediction.throughput_per_s
    assert found.speedup.high / found.speedup.low < 0.8 * of_throughput.high / of_throughput.low


def test_a_baseline_of_few_rounds_gives_a_speedup_without_an_interval():
    (found,) = forecasts(fleet_run(plain_result(SERIAL, 1.2, factors=(1.0,) * 4), celery_result(2)), FOUR)
    assert found.speedup.low is None


def test_without_an_in_process_cell_it_stands_alone():
    (found,) = forecasts(fleet_run(celery_result(1)), FOUR)
    assert (found.versus, found.speedup) == (None, None)
    assert "In-process" not in render([found])
    assert as_document([found])[0]["versus"] is None


def test_a_sweep_of_the_work_has_a_forecast_for_each_point():
    results = [
        each
        for side in (64, 128)
        for each in (
            plain_result(replace(SERIAL, width=side, height=side), side / 100),
            celery_result(2, held_s=side / 1000, cell=replace(CELERY, width=side, height=side)),
        )
    ]
    found = forecasts(fleet_run(*results), FOUR)
    assert [each.work for each in found] == ["64x64", "128x128"]
    assert [each.sentence.split(":")[0] for each in found] == ["download 64x64", "download 128x128"]
    assert [each.versus.width for each in found if each.versus] == [64, 128]


def test_a_result_without_celery_is_refused():
    with pytest.raises(UsageError, match="no Celery cell to predict from"):
        forecasts(fleet_run(plain_result(SERIAL, 1.2)), FOUR)


def test_a_result_in_which_less_than_nothing_was_collected_is_predicted_from():
    (found,) = forecasts(every_run()["less than nothing collected"], FOUR)
    assert found.prediction.makespan_s.point > 0


def test_a_result_in_which_no_message_was_answered_is_refused():
    with pytest.raises(UsageError, match="does not tell where"):
        forecasts(every_run()["no message was answered"], FOUR)


def test_many_lines_fit_80_columns():
    wide = Asked.checked(64, 1.0, 100.0, 8, 1000, None)
    assert max(map(len, render(forecasts(RUN, wide)).splitlines())) <= 80


def test_what_is_assumed_of_one_stage_alone_stands_under_its_name():
    decode = replace(CELERY, stage="decode", kernel="asarray")
    run = fleet_run(celery_result(2), replace(celery_result(2), cell=replace(decode, slots=2)))
    found = forecasts(run, FOUR)
    first, second = (each.prediction for each in found)
    own = [(*each.assumptions[:1], f"only {each.cell.stage}") for each in (first, second)]
    text = render(
        [
            replace(each, prediction=replace(each.prediction, assumptions=assumptions))
            for each, assumptions in zip(found, own, strict=True)
        ]
    )
    _, assumed = text.split("It is assumed that\n")
    assert assumed.endswith("\nand of download that\n- only download\nand of decode that\n- only decode")
    assert assumed.startswith(f"- {first.assumptions[0][:40]}")
    assert assumed.count(first.assumptions[0][:40]) == 1


def test_what_is_assumed_of_all_is_said_once_and_of_nobody_apart():
    run = fleet_run(*(replace(celery_result(2), cell=replace(CELERY, stage=each, slots=2)) for each in "ab"))
    assert "and of " not in render(forecasts(run, FOUR)).partition("It is assumed that")[2]
