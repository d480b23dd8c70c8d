from dataclasses import replace
from math import ceil

import pytest

from orchestrator.analysis.queueing.prediction import (
    HypotheticalFleet,
    MissingDemandsError,
    StagePrediction,
    fleet_network,
    predict,
    round_trips,
    stage_predictions,
    window,
)
from orchestrator.analysis.queueing.service_demands import service_demands, slot_series
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.model.environment import Worker
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.prediction import assumptions
from tests.unit.analysis.made_fleets import (
    CELERY,
    ELSEWHERE,
    SERIAL,
    celery_result,
    fleet_run,
    plain_result,
)
from tests.unit.reports.made_runs import every_run

ROOMY = fleet_run(*(celery_result(slots) for slots in (1, 2, 3)), usable=64)
"""Enough cores that no slot waits for one, as the made-up makespans assume."""

RUN = fleet_run(plain_result(SERIAL, 2.4), *(celery_result(slots) for slots in (1, 2, 3)))


@pytest.mark.parametrize("slots", [1, 4, 5, 8, 24])
def test_other_numbers_of_slots_are_predicted_from_the_measured_ones(slots: int) -> None:
    found = predict(ROOMY, CELERY, HypotheticalFleet(slots))
    truth = celery_result(slots).samples[0].makespan_s
    assert found.makespan_s.point == pytest.approx(truth, rel=0.01)
    assert found.makespan_s.low is not None
    assert found.makespan_s.high is not None
    assert found.makespan_s.low < truth < found.makespan_s.high
    assert found.throughput_per_s.point == pytest.approx(24 / found.makespan_s.point)


def test_the_interval_is_never_narrower_than_the_models_margin() -> None:
    found = predict(RUN, CELERY, HypotheticalFleet(8))
    assert found.makespan_s.high is not None
    assert found.makespan_s.high / found.makespan_s.point >= 1 + found.margin >= 1.05


def test_network_latency_delays_each_round_trip_that_a_slot_makes() -> None:
    # a URL in the message: 5 round trips a message and 1 to store the output
    near, far = (
        predict(RUN, CELERY, HypotheticalFleet(1)),
        predict(RUN, CELERY, HypotheticalFleet(1, rtt_s=0.010)),
    )
    assert round_trips(CELERY, 1).slot == 6
    assert far.makespan_s.point - near.makespan_s.point == pytest.approx(24 * 0.060, rel=0.05)


@pytest.mark.parametrize(
    ("cell", "chunk", "slot", "publish", "collect"),
    [
        (Cell("grayscale", "numpy", "celery", 2, "redis", 4, "local"), 4, 5 + 8, 1, 1),
        (Cell("grayscale", "numpy", "celery", 2, "redis", 4, "resident"), 4, 5 + 8, 0, 0),
        (Cell("download", "session", "celery", 2, "redis", 4, "local"), 4, 5 + 4, 0, 1),
        (Cell("grayscale", "numpy", "celery", 2, "inline", 4, "local"), 4, 5, 0, 0),
        (Cell("grayscale", "numpy", "celery", 2, "files", 4, "local"), 4, 5, 0, 0),
    ],
)
def test_round_trips_are_those_that_the_code_makes(
    cell: Cell, chunk: int, slot: int, publish: int, collect: int
) -> None:
    found = round_trips(cell, chunk)
    assert (found.slot, found.publish, found.collect) == (slot, publish, collect)


def test_only_latency_beyond_the_measured_network_counts() -> None:
    run = fleet_run(celery_result(1), broker=ELSEWHERE)  # its round trip is 0.1 ms
    assert (
        predict(run, CELERY, HypotheticalFleet(1, rtt_s=0.0001)).makespan_s
        == predict(run, CELERY, HypotheticalFleet(1)).makespan_s
    )


def test_payloads_that_saturate_a_link_are_the_bottleneck() -> None:
    # 2 MB in and 2 MB out of the store for each task, over 100 Mbit/s: 160 ms a task each way
    run = fleet_run(*(celery_result(slots, payload_bytes=4_000_000) for slots in (1, 2, 3)))
    found = predict(run, CELERY, HypotheticalFleet(16, bandwidth_bytes_per_s=12.5e6))
    assert found.bottleneck.name == found.simulated.bottleneck == "payload"
    assert found.throughput_per_s.point <= 12.5e6 / 2e6


def test_shared_cores_limit_slots_here_but_not_on_hosts_of_their_own() -> None:
    run = fleet_run(*(celery_result(slots, cpu_s=0.099) for slots in (1, 2)))
    here, elsewhere = (predict(run, CELERY, HypotheticalFleet(8, hosts=hosts)) for hosts in (None, 4))
    assert (here.bottleneck.name, elsewhere.bottleneck.name) == ("cpu", "slots")
    assert here.sustained_per_s == pytest.approx(2 / 0.1055, rel=0.02)
    assert elsewhere.sustained_per_s == pytest.approx(8 / 0.105, rel=0.02)


def test_the_orchestrator_and_its_window_limit_ten_thousand_slots() -> None:
    found = predict(RUN, CELERY, HypotheticalFleet(10_000, hosts=5_000), tasks=20_000)
    assert found.bottleneck.name == "orchestrator"
    assert found.sustained_per_s == pytest.approx(1 / 0.0015, rel=0.02)
    assert any("at most 1000 messages" in each for each in assumptions(found))


def test_every_assumption_is_listed() -> None:
    said = " ".join(assumptions(predict(RUN, CELERY, HypotheticalFleet(64, 0.001, 125e6, 8))))
    for words in ("1, 2, 3 slots", "6 round trips on its slot", "1000 Mbit/s", "8 machines", "24 messages"):
        assert words in said


def test_too_few_messages_or_cores_are_listed_with_the_option_that_helps() -> None:
    def said(slots: int, hosts: int | None = None, tasks: int | None = None) -> str:
        return " ".join(assumptions(predict(RUN, CELERY, HypotheticalFleet(slots, hosts=hosts), tasks)))

    assert "24 messages keeps no more than that many of 64 slots busy; --tasks N" in said(64)
    assert "share 2 cores, as measured, so that 64 slots wait for them; --hosts N" in said(64)
    for enough in (said(2), said(64, hosts=32, tasks=1000)):
        assert "--tasks" not in enough
        assert "--hosts" not in enough


def test_formula_and_simulation_check_each_other_within_the_margin() -> None:
    run = fleet_run(*(celery_result(slots, payload_bytes=10_000) for slots in (1, 2)))
    for slots in (1, 4, 16, 64):
        for rtt_s in (None, 0.001, 0.02):
            found = predict(run, CELERY, HypotheticalFleet(slots, rtt_s, 12.5e6, 8), 20 * slots)
            assert found.margin < 0.15, (slots, rtt_s, found.margin)


def test_the_interval_is_wide_if_formula_and_simulation_disagree() -> None:
    # Bursts of 50 that take a second to publish leave four slots idle, which the formula does not model.
    run = fleet_run(*(celery_result(slots, publish_s=0.022) for slots in (1, 2)))
    found = predict(run, CELERY, HypotheticalFleet(4, hosts=8), 80)
    assert found.margin > 0.2
    assert found.makespan_s.high is not None
    assert found.makespan_s.high > 1.2 * found.makespan_s.point


def test_the_window_is_narrower_for_large_inputs() -> None:
    gray = Cell("grayscale", "numpy", "celery", 2, "redis", 1, "local", width=800, height=800)
    plan = RUN.plan
    assert window(CELERY, plan, 4e6, 1) == 1000
    assert window(gray, plan, 2 * (1_920_000 + 640_000), 1) == ceil((256 << 20) / 1_920_000)


def test_a_cell_without_station_times_cannot_be_predicted() -> None:
    with pytest.raises(MissingDemandsError) as raised:
        predict(RUN, SERIAL, HypotheticalFleet(4))
    assert raised.value.cell == SERIAL


def test_a_slot_series_differs_in_slots_only() -> None:
    other = celery_result(2, cell=replace(CELERY, chunk=4))
    again = celery_result(2, cell=replace(CELERY, replica=1))
    run = fleet_run(celery_result(1), celery_result(2), other, again)
    assert [each.cell.slots for each in slot_series(run, replace(CELERY, slots=64))] == [1, 2]


def test_resident_data_leaves_the_orchestrator_off_the_link() -> None:
    cell = replace(CELERY, stage="grayscale", data="resident")
    run: Run = fleet_run(celery_result(1, cell=cell, payload_bytes=2_000_000))
    measured = service_demands(slot_series(run, cell), run)
    assert measured is not None
    near, far = (
        measured.network(4),
        fleet_network(run, measured, HypotheticalFleet(4, bandwidth_bytes_per_s=1e7)),
    )
    assert far.publish_s == near.publish_s
    assert far.slot_s - near.slot_s == pytest.approx(0.2)
    assert simulate(far, 100).busy["payload"] <= 1


def test_a_host_is_like_the_measured_ones() -> None:
    workers = [Worker("w@one", 2, 16, "3.13")]
    run = fleet_run(celery_result(1), broker=ELSEWHERE, workers=workers)
    measured = service_demands(slot_series(run, CELERY), run)
    assert measured is not None
    assert fleet_network(run, measured, HypotheticalFleet(8, hosts=3)).cores == 48
    assert fleet_network(run, measured, HypotheticalFleet(8)).cores is None


PAIR = fleet_run(plain_result(SERIAL, 1.2), celery_result(1), celery_result(2))
FOUR = HypotheticalFleet(4)


def of_stages(run: Run) -> tuple[StagePrediction, ...]:
    return stage_predictions(run, run.stages, FOUR)


def test_a_prediction_is_compared_with_the_best_in_process_cell() -> None:
    (found,) = of_stages(PAIR)
    assert found.versus == SERIAL
    assert found.versus_per_s == pytest.approx(20, rel=0.02)
    assert found.speedup is not None
    assert found.speedup.point == pytest.approx(found.prediction.throughput_per_s.point / 20, rel=0.02)


def test_the_interval_of_the_speedup_includes_the_baselines_uncertainty() -> None:
    wild = (1.0, 1.5, 0.7, 1.3, 0.8, 1.2, 0.9)
    (steady,) = of_stages(fleet_run(plain_result(SERIAL, 1.2, factors=(1.0,) * 7), celery_result(2)))
    (shaky,) = of_stages(fleet_run(plain_result(SERIAL, 1.2, factors=wild), celery_result(2)))
    assert steady.prediction.throughput_per_s == shaky.prediction.throughput_per_s
    assert shaky.speedup.high / shaky.speedup.low > 1.3 * steady.speedup.high / steady.speedup.low


def test_noise_common_to_both_sides_of_a_round_cancels_in_the_speedup() -> None:
    shared = (1.0, 1.3, 0.8, 1.2, 0.85, 1.1, 0.9)
    (found,) = of_stages(
        fleet_run(plain_result(SERIAL, 1.2, factors=shared), celery_result(2, factors=shared))
    )
    of_throughput = found.prediction.throughput_per_s
    assert found.speedup.high / found.speedup.low < 0.8 * of_throughput.high / of_throughput.low


def test_a_baseline_of_few_rounds_gives_a_speedup_without_an_interval() -> None:
    (found,) = of_stages(fleet_run(plain_result(SERIAL, 1.2, factors=(1.0,) * 4), celery_result(2)))
    assert found.speedup.low is None


def test_without_an_in_process_cell_there_is_no_comparison() -> None:
    (found,) = of_stages(fleet_run(celery_result(1)))
    assert (found.versus, found.speedup) == (None, None)


def test_idiomatic_cells_and_the_second_of_the_a_a_pair_are_on_neither_side() -> None:
    # an idiomatic Celery cell has no station times, so nothing could be predicted from it
    idiomatic = replace(CELERY, slots=2, transport=None, style="idiomatic")
    processes = replace(SERIAL, strategy="processes", slots=2, style="idiomatic")
    quick = (idiomatic, processes, replace(SERIAL, replica=1))
    (found,) = of_stages(replace(PAIR, cells=(*PAIR.cells, *(plain_result(each, 0.3) for each in quick))))
    assert found.prediction.cell == replace(CELERY, slots=4)
    assert found.versus == SERIAL


def test_a_sweep_of_the_work_has_a_prediction_for_each_point() -> None:
    results = [
        each
        for side in (64, 128)
        for each in (
            plain_result(replace(SERIAL, width=side, height=side), side / 100),
            celery_result(2, held_s=side / 1000, cell=replace(CELERY, width=side, height=side)),
        )
    ]
    found = of_stages(fleet_run(*results))
    assert [each.work for each in found] == ["64x64", "128x128"]
    assert [each.name for each in found] == ["download 64x64", "download 128x128"]
    assert [each.versus.width for each in found if each.versus] == [64, 128]


def test_a_result_with_a_negative_collecting_time_can_be_predicted_from() -> None:
    (found,) = of_stages(every_run()["less than nothing collected"])
    assert found.prediction.makespan_s.point > 0
