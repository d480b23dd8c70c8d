from dataclasses import replace

import pytest

from orchestrator.commands.prediction import fleet_of, predictions
from orchestrator.errors import UsageError
from orchestrator.reports.prediction import as_document, render
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result
from tests.unit.reports.made_runs import every_run

RUN = fleet_run(plain_result(SERIAL, 1.2), celery_result(1), celery_result(2))
FOUR = fleet_of(4)


def test_a_prediction_is_compared_with_the_best_in_process_cell():
    (found,) = predictions(RUN, FOUR)
    assert found.versus == SERIAL
    assert found.versus_per_s == pytest.approx(20, rel=0.02)
    assert found.speedup is not None
    assert found.speedup.point == pytest.approx(found.prediction.throughput_per_s.point / 20, rel=0.02)
    assert "serial with session did 20.0 tasks/s here; Celery would do 1.8" in render([found]).replace(
        "\n", " "
    )


def test_the_interval_of_the_speedup_includes_the_baselines_uncertainty():
    wild = (1.0, 1.5, 0.7, 1.3, 0.8, 1.2, 0.9)
    (steady,) = predictions(fleet_run(plain_result(SERIAL, 1.2, factors=(1.0,) * 7), celery_result(2)), FOUR)
    (shaky,) = predictions(fleet_run(plain_result(SERIAL, 1.2, factors=wild), celery_result(2)), FOUR)
    assert steady.prediction.throughput_per_s == shaky.prediction.throughput_per_s
    assert shaky.speedup.high / shaky.speedup.low > 1.3 * steady.speedup.high / steady.speedup.low


def test_noise_common_to_both_sides_of_a_round_cancels_in_the_speedup():
    shared = (1.0, 1.3, 0.8, 1.2, 0.85, 1.1, 0.9)
    (found,) = predictions(
        fleet_run(plain_result(SERIAL, 1.2, factors=shared), celery_result(2, factors=shared)), FOUR
    )
    of_throughput = found.prediction.throughput_per_s
    assert found.speedup.high / found.speedup.low < 0.8 * of_throughput.high / of_throughput.low


def test_a_baseline_of_few_rounds_gives_a_speedup_without_an_interval():
    (found,) = predictions(fleet_run(plain_result(SERIAL, 1.2, factors=(1.0,) * 4), celery_result(2)), FOUR)
    assert found.speedup.low is None


def test_without_an_in_process_cell_there_is_no_comparison():
    (found,) = predictions(fleet_run(celery_result(1)), FOUR)
    assert (found.versus, found.speedup) == (None, None)
    assert "In-process" not in render([found])
    assert as_document([found])[0]["versus"] is None


def test_a_sweep_of_the_work_has_a_prediction_for_each_point():
    results = [
        each
        for side in (64, 128)
        for each in (
            plain_result(replace(SERIAL, width=side, height=side), side / 100),
            celery_result(2, held_s=side / 1000, cell=replace(CELERY, width=side, height=side)),
        )
    ]
    found = predictions(fleet_run(*results), FOUR)
    assert [each.work for each in found] == ["64x64", "128x128"]
    assert [each.name for each in found] == ["download 64x64", "download 128x128"]
    first, second, _ = render(found).split("\n\n")
    assert first.startswith("download 64x64: ")
    assert second.startswith("download 128x128: ")
    assert [each.versus.width for each in found if each.versus] == [64, 128]


def test_a_result_without_celery_is_refused():
    with pytest.raises(UsageError, match="no Celery cell to predict from"):
        predictions(fleet_run(plain_result(SERIAL, 1.2)), FOUR)


def test_a_result_with_a_negative_collecting_time_can_be_predicted_from():
    (found,) = predictions(every_run()["less than nothing collected"], FOUR)
    assert found.prediction.makespan_s.point > 0


def test_a_result_in_which_no_message_was_answered_is_refused():
    with pytest.raises(
        UsageError, match=r"has no station times of Celery with .*; measure it with this release"
    ):
        predictions(every_run()["no message was answered"], FOUR)


def test_every_line_fits_80_columns():
    wide = fleet_of(64, 1.0, 100.0, 8)
    assert max(map(len, render(predictions(RUN, wide, tasks=1000)).splitlines())) <= 80


def test_an_assumption_of_one_stage_appears_under_its_name():
    decode = celery_result(2, cell=replace(CELERY, stage="decode", kernel="asarray"), payload_bytes=4_000)
    found = predictions(fleet_run(celery_result(2), decode), fleet_of(4, bandwidth_mbit=100.0))
    _, listed = render(found).split("Assumptions:\n")
    common, *own = listed.split("\nand for ")
    assert common.startswith("- tasks need as much of each station as they did when measured")
    assert [each.split(" task moves")[0] for each in own] == [
        "download:\n- a download",
        "decode:\n- a decode",
    ]
    assert "2 kB into and out" in own[1]


def test_an_assumption_common_to_all_stages_appears_once():
    run = fleet_run(*(replace(celery_result(2), cell=replace(CELERY, stage=each, slots=2)) for each in "ab"))
    assert "and for " not in render(predictions(run, FOUR)).partition("Assumptions:")[2]
