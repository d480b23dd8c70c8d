from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from orchestrator.analysis.queueing.open_loop import (
    Predictor,
    latencies_s,
    latency_predictions,
)
from orchestrator.analysis.queueing.prediction import HypotheticalFleet, MissingDemandsError
from orchestrator.analysis.queueing.stations import QueueingNetwork
from orchestrator.analysis.queueing.waits import waits_s
from orchestrator.model.environment import Load
from orchestrator.model.runs import Objective, Run
from orchestrator.phrases.prediction import fewest_sentences, refused_sentences
from tests.unit.analysis.made_fleets import (
    CELERY,
    HELD_S,
    OVERHEAD_S,
    celery_result,
    fleet_run,
    with_cpu,
    with_times,
)

FREE = QueueingNetwork(chunk=1, slots=3, publish_s=0.0, collect_s=0.0, slot_s=1.0)
FLEET = HypotheticalFleet(1, hosts=100)
RNG = np.random.default_rng(1)


def run() -> Run:
    return fleet_run(with_times(celery_result(1)), with_times(celery_result(2)))


def test_without_other_stations_tasks_wait_as_in_the_queue_of_the_slots_alone() -> None:
    arrivals_s = np.cumsum(RNG.exponential(0.4, 2_000))
    services = RNG.exponential(1.0, 2_000)
    expected = waits_s(arrivals_s, services, 3) + services
    assert latencies_s(FREE, arrivals_s, services) == pytest.approx(expected)


def test_a_task_alone_takes_the_latency_of_the_network() -> None:
    network = QueueingNetwork(1, 2, 0.001, 0.002, 0.1, broker_s=0.0005, flush_s=0.003, flight_s=0.004)
    found = latencies_s(network, np.array([5.0]), np.ones(1))
    assert found == pytest.approx([network.latency_s])


def test_one_thread_collects_and_publishes_in_the_order_in_which_work_comes() -> None:
    network = replace(FREE, slots=10, publish_s=0.4, collect_s=0.4, slot_s=0.1)
    # The second task arrives while the first is being published, and its publishing delays the first one's result.
    found = latencies_s(network, np.array([0.0, 0.2]), np.ones(2))
    assert found == pytest.approx([0.4 + 0.4 + 0.4, 1.6 - 0.2])


def test_cores_that_are_fewer_than_the_slots_take_turns() -> None:
    network = replace(FREE, slots=4, cores=1.0, cpu_s=1.0)
    assert latencies_s(network, np.zeros(3), np.ones(3)) == pytest.approx([1.0, 2.0, 3.0])


def test_the_fewest_slots_keep_the_promise_and_one_less_does_not() -> None:
    predictor = Predictor(run(), CELERY, FLEET, tasks=1_000)
    found = latency_predictions(predictor, [40.0], None, Objective(0.95, 0.25))
    fewest = found.fewest[40.0]
    assert fewest is not None
    assert fewest > 40 * HELD_S
    keeps = {row.slots: row.keeps for row in found.rows}
    assert keeps == {fewest - 1: False, fewest: True, fewest + 1: True}


@pytest.mark.parametrize(
    ("plan", "cell", "says"),
    [
        ({}, {}, "--stage download --kernel session --size 64x64 --latency-ms 0 "),
        ({}, {"width": 32, "height": 16}, "--size 32x16"),
        (
            {"source": "my pictures", "latency_ms": 100.0, "bandwidth_mbit": 50.0},
            {},
            "--source 'my pictures' --latency-ms 100 --bandwidth-mbit 50 --strategy celery",
        ),
        ({"source": "https://host/{i}.jpg"}, {}, "--source 'https://host/{i}.jpg' --strategy celery"),
        (
            {},
            {"stage": "spin", "kernel": "waiting", "work_s": 0.05},
            "--stage spin --kernel waiting --work-ms 50 --",
        ),
    ],
)
def test_the_command_that_confirms_it_measures_the_same_work(
    plan: dict[str, Any], cell: dict[str, Any], says: str
) -> None:
    found = latency_predictions(
        Predictor(run(), CELERY, FLEET, tasks=1_000), [40.0], None, Objective(0.95, 0.25)
    )
    found = replace(found, plan=replace(found.plan, **plan), cell=replace(found.cell, **cell))
    (said,) = fewest_sentences(found)
    assert says in said
    assert "--strategy celery --slots" in said


def test_no_slots_keep_a_promise_that_is_shorter_than_a_task() -> None:
    predictor = Predictor(run(), CELERY, FLEET, tasks=1_000)
    found = latency_predictions(predictor, [40.0], None, Objective(0.95, HELD_S / 2))
    assert found.fewest == {40.0: None}
    assert found.rows[0].keeps is False


def test_beyond_the_rate_at_which_it_breaks_down_there_is_no_latency() -> None:
    (row,) = latency_predictions(Predictor(run(), CELERY, FLEET), [40.0], 2, None).rows
    assert row.breaks_at_per_s == pytest.approx(2 / 0.105, rel=0.01)
    assert row.limited_by.name == "slots"
    assert set(row.latency_s.values()) == {None}


@pytest.mark.parametrize(("hosts", "slower"), [(None, True), (100, False)])
def test_the_image_server_takes_its_share_of_the_processors_that_the_slots_share_with_it(
    hosts: int | None, slower: bool
) -> None:
    p90s = []
    for image_server_s in (0.0, 0.01):
        cells = (with_cpu(with_times(celery_result(slots)), 0.02, image_server_s) for slots in (1, 2))
        predictor = Predictor(fleet_run(*cells), CELERY, HypotheticalFleet(1, hosts=hosts), tasks=1_000)
        latency = predictor.predict(40.0, 10, None).latency_s[0.9]
        assert latency is not None
        p90s.append(latency.point)
    assert (p90s[1] > 1.05 * p90s[0]) is slower


def test_a_wait_for_an_idle_processor_counts_unless_other_work_may_have_caused_it() -> None:
    cells = [with_cpu(with_times(celery_result(slots)), 0.002, wait_s=OVERHEAD_S / 2) for slots in (1, 2)]
    quiet = fleet_run(*cells)
    busy = replace(quiet, loads=(Load(0, other=0.3),))
    slots_s = [
        1 / Predictor(each, CELERY, FLEET).predict(1.0, 1, None).breaks_at_per_s for each in (quiet, busy)
    ]
    assert slots_s == pytest.approx([HELD_S + OVERHEAD_S, HELD_S + OVERHEAD_S / 2], rel=0.005)


@pytest.mark.parametrize(("hosts", "refused"), [(None, True), (100, False)])
def test_no_latency_is_predicted_where_slots_broker_and_orchestrator_keep_their_processors_busy(
    hosts: int | None, refused: bool
) -> None:
    cells = [with_cpu(with_times(celery_result(slots)), 0.02) for slots in (1, 2)]
    predictor = Predictor(fleet_run(*cells), CELERY, HypotheticalFleet(1, hosts=hosts), tasks=1_000)
    busy = latency_predictions(
        predictor, [80.0], None, Objective(0.95, 10.0)
    )  # 80 (20 + 2) ms of 2 s a second
    assert busy.rows[-1].refused is refused
    assert busy.rows[-1].keeps is (None if refused else True)
    assert (busy.fewest[80.0] is None) is refused
    assert len(list(refused_sentences(busy))) == int(refused)
    assert not predictor.predict(40.0, 20, None).refused


def test_a_quantile_of_too_few_tasks_has_no_figure() -> None:
    (row,) = latency_predictions(Predictor(run(), CELERY, FLEET, tasks=300), [10.0], 4, None).rows
    assert row.latency_s[0.99] is None
    assert row.latency_s[0.95] is not None


def test_a_result_without_service_times_is_refused() -> None:
    with pytest.raises(MissingDemandsError):
        Predictor(fleet_run(celery_result(1)), CELERY, FLEET)
