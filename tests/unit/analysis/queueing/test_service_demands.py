from dataclasses import replace

import pytest

from orchestrator.analysis.queueing.service_demands import (
    MAX_CALIBRATED_MESSAGES,
    bounds,
    calibrate,
    cores_of,
    service_demands,
)
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import QueueingNetwork
from orchestrator.model.environment import Worker
from tests.unit.analysis.made_fleets import (
    CELERY,
    COLLECT_S,
    ELSEWHERE,
    HELD_S,
    OVERHEAD_S,
    PREFLIGHT,
    PUBLISH_S,
    SERIAL,
    celery_result,
    fleet_run,
    plain_result,
)
from tests.unit.analysis.made_runs import STEADY


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 7])
def test_the_set_demands_are_found_at_any_number_of_slots(slots: int) -> None:
    result = celery_result(slots)
    found = service_demands([result], fleet_run(result, usable=64))
    assert found is not None
    typical = found.typical
    assert typical.publish_s == pytest.approx(PUBLISH_S)
    assert typical.collect_s == pytest.approx(COLLECT_S)
    assert typical.held_s == pytest.approx(HELD_S)
    assert typical.overhead_s == pytest.approx(OVERHEAD_S, rel=0.05)  # less the broker's moment
    assert typical.broker_s == pytest.approx(0.0002)
    assert found.overhead_known
    assert found.broker_known


def test_in_a_chunk_only_the_overhead_is_the_messages_and_the_rest_is_the_tasks() -> None:
    result = celery_result(2, cell=replace(CELERY, chunk=4))
    found = service_demands([result], fleet_run(result, usable=64))
    assert found is not None
    assert found.typical.overhead_s == pytest.approx(OVERHEAD_S, rel=0.1)
    assert found.typical.publish_s == pytest.approx(PUBLISH_S / 4)
    assert found.network(2).slot_s == pytest.approx(4 * HELD_S + OVERHEAD_S, rel=0.001)
    assert found.network(2).publish_s == pytest.approx(PUBLISH_S)


def test_a_demand_has_an_interval_over_rounds() -> None:
    result = celery_result(2)
    found = service_demands([result], fleet_run(result))
    assert found is not None
    held = found.estimate(lambda each: each.held_s)
    assert held.low is not None
    assert held.high is not None
    assert held.low < HELD_S < held.high
    assert held.low >= HELD_S * min(STEADY)


def test_the_overhead_is_unknown_if_slots_wait_for_the_orchestrator() -> None:
    # 24 messages of 40 ms: the orchestrator is always busy, and slots mostly wait
    result = celery_result(8, publish_s=0.04, makespan_s=24 * 0.0405 + 0.105)
    found = service_demands([result], fleet_run(result))
    assert found is not None
    assert not found.overhead_known
    # An empty task takes 4 ms, so this batch's 40 ms of publishing are no part of it: at least half is the slot's
    assert found.typical.overhead_s == pytest.approx(0.002)


def test_waits_for_a_saturated_payload_path_are_no_demand_of_the_slot() -> None:
    # 2 MB in and out a task, on a path that carries 20 a second each way, for which four slots queue
    cell = replace(CELERY, data="resident")
    result = celery_result(4, held_s=0.2, payload_bytes=2_000_000, makespan_s=24 * 0.05 + 0.1, cell=cell)
    quick = celery_result(4, held_s=0.2, payload_bytes=200_000, makespan_s=24 * 0.05 + 0.1, cell=cell)
    waits = [
        replace(each, samples=tuple(replace(s, hops=replace(s.hops, compute_s=0.01)) for s in each.samples))
        for each in (result, quick)
    ]
    path = replace(PREFLIGHT, payload_put_bytes_per_s=18e6, payload_get_bytes_per_s=20e6)
    saturated, roomy = (
        service_demands([each], replace(fleet_run(each, broker=ELSEWHERE), preflight=path)) for each in waits
    )
    assert saturated is not None
    assert saturated.typical.held_s == pytest.approx(0.01 + 2 * 0.05, rel=0.03)
    assert bounds(saturated, 4).bottleneck == "payload"
    assert roomy is not None
    assert roomy.typical.held_s == pytest.approx(0.2, rel=0.03)
    assert bounds(roomy, 4).bottleneck == "slots"


def test_a_tasks_time_is_not_taken_from_cells_that_saturate_the_cores() -> None:
    free = celery_result(1, held_s=0.1, cpu_s=0.099)
    crowded = celery_result(4, held_s=0.2, cpu_s=0.099)
    found = service_demands([crowded, free], fleet_run(crowded, free))
    assert found is not None
    assert found.slots == (1, 4)
    assert found.typical.held_s == pytest.approx(0.1)


def test_cpu_time_never_exceeds_what_the_cores_can_have_given() -> None:
    result = celery_result(4, held_s=0.1, cpu_s=0.099, makespan_s=24 * 0.05)
    found = service_demands([result], fleet_run(result))
    assert found is not None
    assert found.typical.cpu_s == pytest.approx(2 * 0.05 - PUBLISH_S - COLLECT_S)


def test_a_cell_without_stations_has_no_demands() -> None:
    serial = plain_result(SERIAL, 2.0)
    assert service_demands([serial], fleet_run(serial)) is None
    assert service_demands([], fleet_run(serial)) is None


def test_cells_with_lost_tasks_have_no_demands() -> None:
    result = celery_result(2)
    lost = replace(result, samples=tuple(replace(each, lost=1) for each in result.samples))
    assert service_demands([lost], fleet_run(lost)) is None


def test_cores_are_this_machines_or_the_sum_over_the_workers_machines() -> None:
    result = celery_result(2)
    assert cores_of(fleet_run(result)) == (2.0, True)
    workers = [Worker("a@one", 2, 4, "3.13"), Worker("b@one", 2, 4, "3.13"), Worker("a@two", 2, 8, "3.13")]
    assert cores_of(fleet_run(result, broker=ELSEWHERE, workers=workers)) == (12.0, False)
    assert cores_of(fleet_run(result, broker=ELSEWHERE)) == (None, False)


def test_an_embedded_fleet_shares_this_machines_cores_even_without_a_clock_offset() -> None:
    result = celery_result(2)
    workers = [Worker("slot1@embedded", 1, 2, "3.13", None, None)]
    assert cores_of(fleet_run(result, workers=workers)) == (2.0, True)


def test_containers_on_this_machine_have_no_more_cores_than_it_does() -> None:
    result = celery_result(2)
    here = [Worker(f"slot1@{name}", 1, 2, "3.13", 0.0, 1e-6) for name in ("one", "two", "three")]
    there = Worker("slot1@far", 1, 8, "3.13", 0.3, 1e-4)
    small = [replace(each, usable_cpus=0.25) for each in here]
    for workers, expected in (
        (here, (2.0, True)),  # and the orchestrator is on the same two
        ([*here, there], (10.0, False)),
        (small, (0.75, False)),
    ):
        assert cores_of(fleet_run(result, broker=ELSEWHERE, workers=workers)) == expected


def test_idle_time_that_a_burst_explains_is_no_overhead() -> None:
    # two messages for the one slot, then a burst of 22 x 20 ms, during which the slot is idle for a while
    network = QueueingNetwork(chunk=1, slots=1, publish_s=0.02, collect_s=0.0005, slot_s=0.105)
    made = celery_result(1, publish_s=0.02, broker_s=None, makespan_s=simulate(network, 24).makespan_s)
    result = replace(
        made, samples=tuple(replace(s, stations=replace(s.stations, payload_bytes=0)) for s in made.samples)
    )
    found = service_demands([result], fleet_run(result, usable=64))
    assert found is not None
    assert found.typical.overhead_s == pytest.approx(OVERHEAD_S, rel=0.01)


def test_the_slowdown_of_contended_slots_counts_as_cpu_time() -> None:
    # alone a task takes 105 ms; four slots on two cores only reach 20 a second: 100 ms of CPU each
    alone = celery_result(1, cpu_s=0.080)
    crowded = celery_result(4, cpu_s=0.080, held_s=0.2, makespan_s=24 * 0.100 / 2)
    found = service_demands([alone, crowded], fleet_run(alone, crowded))
    assert found is not None
    limit = bounds(found, 4)
    assert (limit.bottleneck, limit.throughput_per_s.point) == ("cpu", pytest.approx(24 / 1.2, rel=0.05))


PLAIN = QueueingNetwork(chunk=1, slots=2, publish_s=0.001, collect_s=0.001, slot_s=0.1)


def with_slot_s(slot_s: float) -> QueueingNetwork:
    return replace(PLAIN, slot_s=slot_s)


def test_calibration_finds_the_demand_that_gives_the_measured_makespan() -> None:
    makespan_s = simulate(with_slot_s(0.137), 24).makespan_s
    assert calibrate(with_slot_s, 24, makespan_s, 0.1, 0.2) == pytest.approx(0.137, rel=0.001)


def test_calibration_stays_within_its_range() -> None:
    assert calibrate(with_slot_s, 24, 0.01, 0.1, 0.2) == 0.1
    assert calibrate(with_slot_s, 24, 99.0, 0.1, 0.2) == 0.2


def test_a_batch_too_large_to_simulate_often_is_not_calibrated() -> None:
    assert calibrate(with_slot_s, MAX_CALIBRATED_MESSAGES + 1, 99.0, 0.1, 0.2) is None
