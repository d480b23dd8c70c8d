from dataclasses import replace

from orchestrator.commands.prediction import fleet_of, predictions
from orchestrator.reports.prediction import as_document, render
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result

RUN = fleet_run(plain_result(SERIAL, 1.2), celery_result(1), celery_result(2))
FOUR = fleet_of(4)


def test_the_best_in_process_cell_follows_the_prediction():
    text = render(predictions(RUN, FOUR)).replace("\n", " ")
    assert text.startswith("download: Celery with session on 4 slots (redis, chunk 1) would take ")
    assert "serial with session did 20.0 tasks/s here; Celery would do 1.8" in text


def test_without_an_in_process_cell_there_is_no_comparison():
    found = predictions(fleet_run(celery_result(1)), FOUR)
    assert "In-process" not in render(found)
    assert as_document(found)[0]["versus"] is None


def test_each_point_of_a_sweep_has_its_own_sentence():
    results = [
        celery_result(2, held_s=side / 1000, cell=replace(CELERY, width=side, height=side))
        for side in (64, 128)
    ]
    first, second, _ = render(predictions(fleet_run(*results), FOUR)).split("\n\n")
    assert first.startswith("download 64x64: ")
    assert second.startswith("download 128x128: ")


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
