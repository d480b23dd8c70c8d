from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from orchestrator.analysis.queueing.makespan_model import fewest_slots, makespan_s, makespans_s
from orchestrator.analysis.queueing.simulation import MAX_MESSAGES, simulate
from orchestrator.analysis.queueing.stations import QueueingNetwork
from tests.unit.analysis.queueing.test_stations import networks

PLAIN = QueueingNetwork(chunk=1, slots=4, publish_s=0.001, collect_s=0.002, slot_s=0.1, broker_s=0.0005)


def test_a_single_message_takes_its_latency() -> None:
    network = replace(PLAIN, flush_s=0.003, flight_s=0.004)
    assert simulate(network, 1).makespan_s == pytest.approx(0.001 + 0.003 + 0.0005 + 0.004 + 0.1 + 0.002)
    assert makespan_s(network, 1) == pytest.approx(simulate(network, 1).makespan_s)


def test_a_batch_takes_whole_turns_of_its_slots() -> None:
    # 12 messages on 4 slots: three turns, and four results to collect at the end; 13: four turns, and one
    assert simulate(PLAIN, 12).makespan_s == pytest.approx(0.001 + 0.0005 + 3 * 0.1 + 4 * 0.002)
    assert simulate(PLAIN, 13).makespan_s == pytest.approx(0.001 + 0.0005 + 4 * 0.1 + 0.002)
    # the fourth slot begins after four publications
    quick = replace(PLAIN, collect_s=0.0)
    assert simulate(quick, 12).makespan_s == pytest.approx(4 * 0.001 + 0.0005 + 3 * 0.1)
    assert makespan_s(quick, 12) == pytest.approx(simulate(quick, 12).makespan_s)
    assert makespan_s(PLAIN, 12) == pytest.approx(simulate(PLAIN, 12).makespan_s)


def test_a_chunk_is_one_message() -> None:
    assert simulate(replace(PLAIN, chunk=4), 48).makespan_s == pytest.approx(simulate(PLAIN, 12).makespan_s)


def test_bursts_share_a_flush_once_every_slot_has_two_messages() -> None:
    # 2 slots: 4 single messages, then the other 46 in one burst while the slots are busy
    network = QueueingNetwork(chunk=1, slots=2, publish_s=0.0, collect_s=0.0, slot_s=10.0, flush_s=0.1)
    found = simulate(network, 50)
    assert found.busy["orchestrator"] * found.makespan_s == pytest.approx(5 * 0.1)


@pytest.mark.parametrize("slots", [1, 4, 64])
def test_without_bursts_the_orchestrator_flushes_every_message(slots: int) -> None:
    # A round trip of 20 ms for each message, unless the slots are so slow that messages pile up.
    network = QueueingNetwork(
        chunk=1, slots=slots, publish_s=0.001, collect_s=0.001, slot_s=0.2, flush_s=0.02
    )
    assert makespan_s(network, 20 * slots) == pytest.approx(
        simulate(network, 20 * slots).makespan_s, rel=0.05
    )


def test_no_more_messages_than_the_window_are_in_flight() -> None:
    network = replace(PLAIN, slots=100, window=10, publish_s=1e-6, collect_s=1e-6, broker_s=0.0)
    assert simulate(network, 100).makespan_s == pytest.approx(10 * 0.1, rel=0.01)


def test_cores_give_no_more_cpu_time_than_they_have() -> None:
    network = replace(PLAIN, slots=8, cpu_s=0.1, cores=2.0)
    assert simulate(network, 80).makespan_s == pytest.approx(80 * 0.1 / 2, rel=0.01)
    assert simulate(replace(network, cores=1.5), 80).makespan_s == pytest.approx(80 * 0.1 / 1.5, rel=0.02)


@pytest.mark.parametrize("slots", [1, 10, 100, 1000, 10_000])
def test_formula_and_simulation_agree_from_one_slot_to_ten_thousand(slots: int) -> None:
    network = replace(
        PLAIN, slots=slots, window=20_000, publish_s=5e-6, collect_s=5e-6, broker_s=1e-6, slot_s=1.0
    )
    assert makespan_s(network, 3 * slots) == pytest.approx(simulate(network, 3 * slots).makespan_s, rel=0.02)


def test_messages_beyond_the_limit_are_extrapolated_at_the_pace_of_the_others() -> None:
    network = replace(PLAIN, slots=100, publish_s=1e-5, collect_s=1e-5, broker_s=0.0, slot_s=0.01)
    found = simulate(network, 10 * MAX_MESSAGES)
    assert found.makespan_s == pytest.approx(10 * MAX_MESSAGES * 0.01 / 100, rel=0.02)


@settings(deadline=None, max_examples=200)
@given(networks())
def test_formula_and_simulation_agree_where_one_station_stands_out(network: QueueingNetwork) -> None:
    # Publishing is too fast for a burst of 50 messages to leave slots idle, which the formula does not model.
    publish_s = min(network.publish_s, network.slot_s / 2) / 50
    network = replace(network, window=1000, publish_s=publish_s, flush_s=0.0, shared=False)
    demands = sorted(
        (
            network.slot_s / network.slots,
            network.publish_s + network.collect_s,
            network.broker_s,
            0.0 if network.cores is None else network.total_cpu_s / network.cores,
        )
    )
    if network.payload_s or demands[-1] < 3 * demands[-2]:
        return
    tasks = 40 * network.chunk * network.slots
    assert makespan_s(network, tasks) == pytest.approx(simulate(network, tasks).makespan_s, rel=0.1)


def test_tasks_that_share_a_link_fall_into_step_and_leave_each_direction_idle_half_the_time() -> None:
    # 10 ms in and 10 ms out, and nothing else: both fetch for 20 ms, then both store; in turn, one stores meanwhile
    network = QueueingNetwork(1, 2, publish_s=0.0, collect_s=0.0, slot_s=0.02, payload_s=0.01, resident=True)
    assert simulate(network, 2).makespan_s == pytest.approx(0.04)
    assert simulate(network, 2, "in turn").makespan_s == pytest.approx(0.03)
    assert (
        simulate(network, 1).makespan_s == simulate(network, 1, "in turn").makespan_s == pytest.approx(0.02)
    )


def test_the_order_on_a_link_hardly_matters_if_it_has_spare_capacity() -> None:
    network = QueueingNetwork(
        1, 8, publish_s=0.001, collect_s=0.0, slot_s=0.1, payload_s=0.0005, resident=True
    )
    shared, in_turn = (simulate(network, 320, link).makespan_s for link in ("shared", "in turn"))
    assert shared == pytest.approx(in_turn, rel=0.03)


def test_makespans_for_many_slots_equal_those_computed_one_by_one() -> None:
    counts = np.array([1, 2, 3, 8, 50])
    alone = [makespan_s(replace(PLAIN, slots=int(each)), 30) for each in counts]
    assert makespans_s(PLAIN, 30, counts) == pytest.approx(alone)


def test_fewest_slots_are_the_first_that_are_fast_enough() -> None:
    # 24 tasks of 100 ms: 8 slots take 3 turns
    assert fewest_slots(PLAIN, 24, 0.35, 100) == 8
    assert fewest_slots(PLAIN, 24, 0.05, 100) is None
