from dataclasses import replace

import pytest

from orchestrator.commands.predict import predict
from orchestrator.commands.prediction import fleet_of, latencies, predictions
from orchestrator.errors import UsageError
from orchestrator.model.runs import Function
from orchestrator.phrases.prediction import latency_title
from tests.load_examples import load_run
from tests.unit.analysis.made_fleets import CELERY, SERIAL, celery_result, fleet_run, plain_result, with_times
from tests.unit.reports.made_runs import every_run

FOUR = fleet_of(4)


def test_options_are_converted_to_seconds_and_bytes():
    fleet = fleet_of(4, rtt_ms=20.0, bandwidth_mbit=100.0, hosts=2)
    assert (fleet.rtt_s, fleet.bandwidth_bytes_per_s, fleet.hosts) == (0.02, 12.5e6, 2)


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"slots": 0}, "--slots 0"),
        ({"slots": 4, "rtt_ms": -1.0}, "--rtt-ms -1"),
        ({"slots": 4, "bandwidth_mbit": 0.0}, "--bandwidth-mbit 0"),
        ({"slots": 4, "hosts": 0}, "--hosts 0"),
    ],
)
def test_an_option_out_of_range_is_refused(options, flag):
    with pytest.raises(UsageError, match=f"{flag} is out of range"):
        fleet_of(**options)


def test_tasks_out_of_range_and_unknown_stages_are_refused():
    run = fleet_run(celery_result(1))
    with pytest.raises(UsageError, match="--tasks 0 is out of range"):
        predictions(run, FOUR, tasks=0)
    with pytest.raises(UsageError, match="unknown stage 'decode'; choose from download"):
        predictions(run, FOUR, stage="decode")


def test_a_result_without_celery_is_refused():
    with pytest.raises(UsageError, match="no Celery cell to predict from"):
        predictions(fleet_run(plain_result(SERIAL, 1.2)), FOUR)


def test_a_result_in_which_no_message_was_answered_is_refused():
    with pytest.raises(
        UsageError, match=r"has no station and service times of Celery with .*; measure it with this release"
    ):
        predictions(every_run()["no message was answered"], FOUR)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": "40"}, "--rate needs --objective"),
        ({"rates": "0", "slots": 2}, "--rate '0' is not a number"),
        ({"rates": "40", "objective": "p95"}, "not a quantile and its seconds"),
        ({"rates": "40", "slots": 2, "arrivals": "bursts"}, "unknown arrivals 'bursts'"),
        ({"rates": "40", "slots": 2, "tasks": 5}, "--tasks 5 is out of range"),
        (
            {"rates": "40", "objective": "p99=0.5", "tasks": 999},
            "--tasks 999 is too few for p99; give at least 1,000",
        ),
        (
            {"rates": "40", "slots": 2, "objective": "p95=0.5", "tasks": 199},
            "--tasks 199 is too few for p95; give at least 200",
        ),
        ({"rates": "40", "slots": 2, "stage": "decode"}, "unknown stage 'decode'"),
        ({"rates": "40", "slots": 2}, "has no station and service times"),
    ],
)
def test_a_latency_that_cannot_be_predicted_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        latencies(fleet_run(celery_result(1)), fleet_of(1), **options)


def test_the_fewest_tasks_that_a_promise_needs_are_enough():
    run = fleet_run(with_times(celery_result(1)))
    found = latencies(run, fleet_of(1, hosts=4), "4", slots=4, objective="p95=5", tasks=200)
    assert [row.keeps for row in found.rows] == [True]


def test_a_result_whose_messages_all_have_several_tasks_is_refused():
    run = fleet_run(celery_result(1, cell=replace(CELERY, chunk=4)))
    with pytest.raises(UsageError, match="no Celery cell with one task a message"):
        latencies(run, fleet_of(1), "40", slots=2)


def with_side(side: int, held_s: float, kernel: str = CELERY.kernel):
    return with_times(
        celery_result(1, held_s=held_s, cell=replace(CELERY, kernel=kernel, width=side, height=side))
    )


def test_a_rate_needs_one_work_of_a_sweep():
    run = fleet_run(with_side(64, 0.01), with_side(512, 0.1))
    with pytest.raises(
        UsageError, match=r"varies the work of download \(64x64 to 512x512\).*of run or scale"
    ):
        latencies(run, fleet_of(1), "40", slots=2)


def test_a_rate_is_predicted_for_the_work_of_the_plan_and_not_for_smaller_work_of_a_slow_kernel():
    run = fleet_run(with_side(64, 0.01, "slow"), with_times(celery_result(1)))
    assert latencies(run, fleet_of(1, hosts=4), "4", slots=2, tasks=100).cell == CELERY


def test_a_rate_is_predicted_for_the_only_work_there_is():
    found = latencies(fleet_run(with_side(64, 0.01)), fleet_of(1, hosts=4), "4", slots=2, tasks=100)
    assert "latency of download 64x64 by Celery" in latency_title(found)


def test_a_rate_is_predicted_for_local_data_as_load_would_measure_it():
    resident = with_times(celery_result(1, held_s=0.01, cell=replace(CELERY, data="resident")))
    run = fleet_run(resident, with_times(celery_result(1)))
    assert latencies(run, fleet_of(1, hosts=4), "4", slots=2, tasks=100).cell == CELERY


def test_a_rate_is_predicted_for_the_last_stage_even_if_more_of_its_tasks_failed():
    failed = with_times(celery_result(1, cell=replace(CELERY, stage="decode", kernel="asarray")))
    failed = replace(failed, samples=tuple(replace(each, ok=20, failed=4) for each in failed.samples))
    found = latencies(fleet_run(with_times(celery_result(1)), failed), fleet_of(1, hosts=4), "4", slots=2)
    assert found.cell.stage == "decode"


def test_a_result_of_load_is_refused_with_what_to_give():
    for predicted in (
        lambda run: predictions(run, fleet_of(3)),
        lambda run: latencies(run, fleet_of(3), "40", 3),
    ):
        with pytest.raises(
            UsageError, match="is of load, which times no batch to predict from; give a result of run"
        ):
            predicted(load_run())


def test_a_prediction_without_slots_is_refused():
    with pytest.raises(UsageError, match="predict needs --slots"):
        fleet_of(None)


@pytest.mark.parametrize("option", [{"objective": "p95=0.5"}, {"arrivals": "constant"}, {"arrivals": "x"}])
def test_options_of_a_rate_are_refused_without_one(option):
    ((name, value),) = option.items()
    with pytest.raises(
        UsageError, match=f"^--{name} {value} has no effect without --rate; add that, or leave"
    ):
        predict("no result", slots=8, **option)


def test_a_function_is_predicted_for_all_its_inputs_as_its_answer_is():
    function = Function("jobs:f", "range(500)", 500, 500, 0.1, 0.9, 10, 10)
    run = fleet_run(with_times(celery_result(1)), with_times(celery_result(2)))
    of_function = replace(run, plan=replace(run.plan, function=function))
    (found,) = predictions(of_function, FOUR)
    assert found.prediction.tasks == 500
    (found,) = predictions(of_function, FOUR, 7)
    assert found.prediction.tasks == 7
