from dataclasses import replace

import pytest

from orchestrator import results
from orchestrator.commands.predict import predict
from orchestrator.commands.prediction import fleet_of, latencies, predictions
from orchestrator.errors import UsageError
from orchestrator.phrases.numbers import NONE
from orchestrator.reports.prediction import as_document, latency_document, render, render_latency
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result, with_times

RUN = fleet_run(plain_result(SERIAL, 1.2), celery_result(1), celery_result(2))
FOUR = fleet_of(4)
LOADED = fleet_run(with_times(celery_result(1)), with_times(celery_result(2)))


def test_a_row_a_stage_comes_first_then_its_cells_then_the_assumptions():
    title, _, head, row, _, cells, *_ = (text := render(predictions(RUN, FOUR))).splitlines()
    assert title == "Predicted, not measured: 24 tasks by Celery on 4 slots"
    assert head.split()[:2] == ["stage", "takes"]
    assert row.split()[0] == "download"
    assert row.split()[-1].startswith("1.8")
    assert cells.startswith("- download: Celery with session on 4 slots (redis, chunk 1) would be ")
    assert text.index("serial with session (20.0/s)") < text.index("Assumptions:")


def test_without_an_in_process_cell_there_is_no_comparison():
    found = predictions(fleet_run(celery_result(1)), FOUR)
    assert render(found).splitlines()[3].split()[-1] == NONE
    assert " here" not in render(found).splitlines()[5]
    assert as_document(found)[0]["versus"] is None


def test_each_point_of_a_sweep_has_its_own_row():
    results = [
        celery_result(2, held_s=side / 1000, cell=replace(CELERY, width=side, height=side))
        for side in (64, 128)
    ]
    first, second = render(predictions(fleet_run(*results), FOUR)).splitlines()[3:5]
    assert first.startswith("download 64x64 ")
    assert second.startswith("download 128x128 ")


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


def test_predicted_latency_has_a_row_for_the_fewest_slots_and_the_command_that_confirms_it():
    found = latencies(LOADED, fleet_of(1, hosts=10), "40", objective="p95=0.25", tasks=1_000)
    fewest = found.fewest[40.0]
    text = render_latency(found)
    rows = [line.split() for line in text.splitlines() if line.startswith("40/s")]
    assert [row[1] for row in rows] == [str(fewest - 1), str(fewest), str(fewest + 1)]
    assert f"--slots {fewest} --rate 40 --objective p95=0.25" in text.replace("\n", " ")
    assert max(map(len, text.splitlines())) <= 80
    assert latency_document(found)["fewest_slots"] == [{"rate_per_s": 40.0, "slots": fewest}]


def test_no_slots_are_refused_with_a_rate_too(tmp_path):
    results.write(LOADED, tmp_path / "run.json")
    with pytest.raises(UsageError, match="--slots 0 is out of range"):
        predict(str(tmp_path / "run.json"), slots=0, rates="40")


def test_a_promise_that_no_number_of_slots_keeps_is_said_with_its_reason():
    found = latencies(LOADED, fleet_of(1, hosts=10), "1000", objective="p95=0.25", tasks=1_000)
    text = render_latency(found).replace("\n", " ")
    assert (
        "no number of slots keeps p95 within 250 ms: beyond 667 tasks/s, the orchestrator's one thread"
        in text
    )
